"""What every room uses: errors, files, types, checks, statistics, metrics, processes."""
