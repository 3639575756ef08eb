# Responds once the file `RELEASE` exists.
import os
import time


def app(environ, start_response):
    while not os.path.exists(os.environ["RELEASE"]):
        time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "2"), ("Connection", "close")])
    return [b"ok"]
