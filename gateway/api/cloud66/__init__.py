"""Cloud 66's stack jobs: schedules of a stack, and their runs. Its words live here only."""
