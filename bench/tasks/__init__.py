"""Tasks: what is given, what is to be made, by what it is judged and how it is shown. Imports `bench.core` alone."""
