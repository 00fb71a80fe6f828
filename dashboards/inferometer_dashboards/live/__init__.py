"""The live page: boards, requests and waterfalls in a browser, from the flight recorder, as it is written."""
