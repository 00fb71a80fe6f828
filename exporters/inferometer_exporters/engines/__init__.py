"""Pages of foreign model servers: read by their mappings, republished under our names."""
