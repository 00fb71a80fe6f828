# Stands in for the image of Alertmanager, under its user's number, around the program that tools/build.sh made.
ARG BASE
FROM ${BASE}
COPY alertmanager amtool /bin/
RUN install -d -o 65534 -g 65534 /alertmanager /etc/alertmanager
WORKDIR /alertmanager
USER 65534:65534
ENTRYPOINT ["/bin/alertmanager"]
