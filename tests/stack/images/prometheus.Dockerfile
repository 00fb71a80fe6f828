# Stands in for the image of Prometheus, under its user's number, around the program that tools/build.sh made.
ARG BASE
FROM ${BASE}
COPY prometheus promtool /bin/
RUN install -d -o 65534 -g 65534 /prometheus /etc/prometheus
WORKDIR /prometheus
USER 65534:65534
ENTRYPOINT ["/bin/prometheus"]
