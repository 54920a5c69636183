# The studio for visitors: on a Hugging Face Space (two cores) or any server. docs/deploy.md says what each setting does.
FROM python:3.11-slim

# tcmalloc makes training on a processor faster. Without ffmpeg films are GIFs, and the image is half as large.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libtcmalloc-minimal4 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 studio
USER 1000
WORKDIR /home/studio/app
ENV PATH=/home/studio/.local/bin:$PATH \
    PYTHONUNBUFFERED=1

# Packages before the code: a change of the code then costs no download. Where TORCH_INDEX names the index of PyTorch's
# builds for processors (its installation page does), the image is gigabytes smaller.
ARG TORCH_INDEX=
COPY --chown=1000 requirements.txt requirements-words.txt ./
RUN pip install --user --no-cache-dir --disable-pip-version-check \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt \
    && pip install --user --no-cache-dir --disable-pip-version-check --no-deps -r requirements-words.txt

COPY --chown=1000 LICENSE README.md app.py ./
COPY --chown=1000 .streamlit/config.toml .streamlit/
COPY --chown=1000 benchmarks/seeds benchmarks/seeds
COPY --chown=1000 docs docs
COPY --chown=1000 gan_core gan_core
COPY --chown=1000 pages pages
COPY --chown=1000 studio studio
COPY --chown=1000 weights weights

# A public demonstration: short trainings one at a time, small uploads, none of the server's folders, no error details.
# A Space is an iframe of another site, so the cookie that guards uploads must be sent across sites.
ENV KNEE_GAN_RUNS=/home/studio/runs \
    KNEE_GAN_CACHE=/home/studio/cache \
    KNEE_GAN_FOLDERS=none \
    KNEE_GAN_TRAIN_MINUTES=5 \
    KNEE_GAN_WHEN_BUSY=refuse \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=7860 \
    STREAMLIT_SERVER_HEADLESS=true \
    STREAMLIT_SERVER_MAX_UPLOAD_SIZE=50 \
    STREAMLIT_SERVER_XSRF_COOKIE_SAME_SITE=none \
    STREAMLIT_CLIENT_SHOW_ERROR_DETAILS=none

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "app.py"]
