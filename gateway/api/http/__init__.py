"""What every dialect shares: the app, credentials, limits, OpenAPI, conditions. Knows no dialect."""
