# The Lambda function: `bootstrap` and the project on AWS's base image, nothing else.
#
# From source, for the platform of this machine (BuildKit; about an hour, DuckDB is compiled):
#   docker build --provenance=false --sbom=false --tag pintail .
# With a `bootstrap` that exists already below this folder (any builder, no network):
#   docker build --target prebuilt --build-arg BOOTSTRAP=target/image/bootstrap --tag pintail .
#
# x86_64 is built and tested; arm64 only by GitHub's workflow.
ARG BASE=public.ecr.aws/lambda/provided:al2023

FROM ${BASE} AS function
COPY pipeline /var/task/pipeline
ENV PINTAIL_PROJECT=/var/task/pipeline
# Lambda's own user, whatever stands here; the same one for everybody else.
USER 993:990
CMD ["bootstrap"]

FROM function AS prebuilt
ARG BOOTSTRAP
COPY ${BOOTSTRAP} /var/runtime/bootstrap

# The same C library as in Lambda, so that nothing newer is asked for.
FROM public.ecr.aws/amazonlinux/amazonlinux:2023 AS build
RUN dnf install --assumeyes gcc-c++ libstdc++-static make diffutils tar gzip && dnf clean all
RUN curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain none
ENV PATH=/root/.cargo/bin:${PATH}
WORKDIR /source
COPY . .
RUN cargo build --locked --package handler --bin bootstrap && strip -o /bootstrap target/debug/bootstrap

FROM function
COPY --from=build /bootstrap /var/runtime/bootstrap
