#!/bin/sh
# Removes all that a cloud left, once nobody writes to our input any more: the cloud is dropped, or the tests died.
# usage: reaper.sh NETWORK REGISTRY ACCOUNT FOLDER
cat >/dev/null
docker ps --all --quiet --filter "network=$1" | xargs --no-run-if-empty docker rm --force --volumes
docker images --format '{{.Repository}}:{{.Tag}}' --filter "reference=$2/*" --filter "reference=$3.dkr.ecr.*/*" |
  xargs --no-run-if-empty docker rmi --force
docker network rm "$1"
rm -rf "$4"
