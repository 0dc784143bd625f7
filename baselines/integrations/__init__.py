"""Our environment and credit inside other people's trainers."""
