"""The Forge 3D Print API v1, the side apps call: jobs and printers as the service had them until 2017."""
