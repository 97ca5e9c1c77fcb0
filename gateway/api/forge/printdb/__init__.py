"""The printer database: kinds of printers, materials, profiles, as data files and as endpoints."""
