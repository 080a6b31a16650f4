"""What runs beside training: commands, servers, imports, databases. The core never imports it."""
