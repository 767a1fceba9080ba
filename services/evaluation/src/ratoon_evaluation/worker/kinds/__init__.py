"""How answers of each kind of task are obtained and scored, a module a kind."""
