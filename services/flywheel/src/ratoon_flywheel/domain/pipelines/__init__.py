"""When the loop turns and how: policies and pipeline runs. It knows neither texts nor feedback, only figures."""
