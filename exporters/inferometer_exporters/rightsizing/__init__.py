"""What would serve the same requests for less, by rules that say what they rest on; nothing is advised from little."""
