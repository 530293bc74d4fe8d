"""Questions about many rows, for pages: each asks a fixed number of times, however many rows there are."""
