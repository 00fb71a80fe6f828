# Stands in for the image of Jaeger, under its user's number, around the program that tools/build.sh made.
ARG BASE
FROM ${BASE}
COPY jaeger /cmd/jaeger/jaeger-linux
USER 10001:10001
ENTRYPOINT ["/cmd/jaeger/jaeger-linux"]
