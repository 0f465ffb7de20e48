"""GPEN WebUI: restores faces in portraits, one photo or a whole album."""

from gpen_webui.privacy import keep_private

keep_private()  # before any library is imported that would report or leave files
