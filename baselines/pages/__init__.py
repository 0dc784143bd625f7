"""Parts of all HTML pages: the frame, tables, drawings, and data that scripts read."""
