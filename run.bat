@echo off
rem GPEN WebUI: finds a Python and hands over to it. `gpen_webui/launcher` sets up .venv on first use.
setlocal
set "ROOT=%~dp0"

set PY="%ROOT%.venv\Scripts\python.exe"
call :works && goto start
if not defined PYTHON goto installed
set PY="%PYTHON%"
call :works && goto start

:installed
for %%C in ("py -3.11" "py -3.12" "py -3.13" "py -3.14" "python") do (
    set PY=%%~C
    call :works && goto start
)
echo Python 3.11 to 3.14 is missing; install it from python.org and start again. 1>&2
exit /b 3

:start
%PY% -IS "%ROOT%gpen_webui\launcher\__main__.py" %*
exit /b %errorlevel%

:works
%PY% -ISc "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))" >nul 2>nul
exit /b %errorlevel%
