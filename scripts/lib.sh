# shellcheck shell=bash
# What the scripts share: private environments under .env/, made once and used offline afterwards.
# Sourced, never run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ENVS="$ROOT/.env"
TORCH_VERSION=2.13.0
DEMO_EXTRAS=cpu,sim,report,evaluate,kilted
TEST_EXTRAS=cpu,sim,report,evaluate,test,colcon
DISTILL_EXTRAS=cpu,sim,report,distill
GL_PACKAGES=(libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri)

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# A sourced ROS, or an environment of ROS wheels that we were started from, would leak its libraries
# into ours.
leave_other_ros() {
    if [ -n "${AMENT_PREFIX_PATH:-}${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-}" ]; then
        unset LD_LIBRARY_PATH PYTHONPATH
    fi
    unset AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH ROS_DISTRO ROS_VERSION \
        ROS_PYTHON_VERSION RMW_IMPLEMENTATION PYTHONHOME VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE
}

# Prints the Python to build environments with: $PYTHON where it is set, else the first that fits.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.10}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
            2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    die "Python 3.10 to 3.12 is needed; looked for ${PYTHON:-python3 and python3.10 to python3.12};" \
        "install one, or name one: PYTHON=/path/to/python3.12 $0"
}

# Runs a command as root where we may, else prints the line for somebody who may, and fails.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

# apt_install WHY PACKAGE...
apt_install() {
    local why=$1
    shift
    local line="apt-get update -qq && apt-get install -y -qq --no-install-recommends $*"
    if command -v apt-get >/dev/null && as_root true; then
        say "installing $* ($why)"
        as_root env DEBIAN_FRONTEND=noninteractive bash -c "$line" >&2 && return
    fi
    die "$why. Type this, then run $0 again:
    sudo bash -c '$line'"
}

make_venv() {
    local python=$1 folder=$2
    rm -rf "$folder"
    if "$python" -m venv "$folder" >/dev/null 2>&1; then
        return
    fi
    apt_install "this Python cannot make virtual environments" \
        "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    rm -rf "$folder"
    "$python" -m venv "$folder" >&2
}

# Sets UV to a uv: the one on PATH, or one of our own through pip. Leaves it empty where there is
# none: then pip does the work, only slower.
find_uv() {
    UV=$(command -v uv || true)
    if [ -n "$UV" ] && "$UV" --version >/dev/null 2>&1; then
        return
    fi
    UV=''
    local own="$ENVS/uv/bin/uv"
    if [ ! -x "$own" ]; then
        make_venv "$BASE_PYTHON" "$ENVS/uv"
        "$ENVS/uv/bin/pip" install -qq --disable-pip-version-check uv >&2 || true
    fi
    if [ -x "$own" ]; then
        UV=$own
    fi
}

# new_venv PYTHON FOLDER
new_venv() {
    if [ -n "$UV" ]; then
        UV_PYTHON_DOWNLOADS=never "$UV" venv --quiet --clear --python "$1" "$2" >&2
    else
        make_venv "$1" "$2"
    fi
}

# install FOLDER REQUIREMENT...
install() {
    local python="$1/bin/python"
    shift
    if [ -z "$UV" ]; then
        "$python" -m pip install --quiet --disable-pip-version-check "$@" >&2
        return
    fi
    (
        # uv reads none of pip's settings: hand it the indexes that this machine is set up for, and
        # let it choose among them as pip does.
        eval "$("$BASE_PYTHON" "$ROOT/scripts/uv_from_pip.py")"
        export UV_PYTHON_DOWNLOADS=never UV_INDEX_STRATEGY=unsafe-best-match
        "$UV" pip install --quiet --python "$python" "$@" >&2
    )
}

# The CPU build of torch, where pip's settings lead to one: the default build brings gigabytes of
# CUDA. PyTorch's own index of CPU builds can be named in PIP_EXTRA_INDEX_URL.
install_torch_cpu() {
    install "$1" "torch==$TORCH_VERSION+cpu" 2>/dev/null
}

# Gazebo's message types. Without what it asks for: a protobuf that is too old for onnx, and that
# nothing here needs.
install_gz_msgs() {
    install "$1" --no-deps "gazebo-py-bindings>=1,<2" 2>/dev/null
}

# fill FOLDER EXTRAS: makes the environment afresh and installs this package into it, editable.
fill() {
    local folder=$1 extras=$2
    new_venv "$BASE_PYTHON" "$folder" || return
    case ",$extras," in
        *,distill,*)
            if ! command -v nvidia-smi >/dev/null && ! install_torch_cpu "$folder"; then
                say 'there is no CPU build of torch here: taking the default one, which is large'
            fi
            ;;
        *,lint,*)
            # CI tests distillation too, where that takes no gigabytes.
            if install_torch_cpu "$folder"; then
                extras+=,distill
            else
                say 'there is no CPU build of torch here: the tests of distillation are skipped'
            fi
            ;;
    esac
    install "$folder" --editable "$ROOT[$extras]"
    case ",$extras," in
        *,gazebo,*)
            if ! install_gz_msgs "$folder"; then
                say 'there are no message types of Gazebo here: the test that looks them up is skipped'
            fi
            ;;
    esac
}

# What an environment is made of: when any of it changes, or the clone moves, it is made again.
fingerprint() {
    {
        printf '%s\n' "$ROOT" "$BASE_PYTHON" "$("$BASE_PYTHON" -V)" "$@"
        cat "$ROOT/setup.py" "$ROOT/scripts/lib.sh"
    } | sha256sum | cut -d' ' -f1
}

is_current() {
    [ "$(cat "$1/stamp" 2>/dev/null)" = "$2" ]
}

# environment NAME EXTRAS: makes .env/NAME unless it is there already. The stamp is written last and
# renamed into place, so that a set-up that was interrupted is done again.
environment() {
    local folder="$ENVS/$1" extras=$2 stamp
    leave_other_ros
    BASE_PYTHON=$(find_python)
    stamp=$(fingerprint "$extras")
    if is_current "$folder" "$stamp"; then
        return
    fi
    mkdir -p "$ENVS"
    exec 9>"$ENVS/lock"
    if command -v flock >/dev/null; then
        flock 9
        # Somebody else may have made it while we waited.
        if is_current "$folder" "$stamp"; then
            exec 9>&-
            return
        fi
    fi
    say "setting up .env/$1, once: afterwards it works offline"
    rm -f "$folder/stamp"
    find_uv
    if ! fill "$folder" "$extras"; then
        if [ -z "$UV" ]; then
            die "pip could not install what is needed; the lines above say why"
        fi
        say 'uv could not; trying pip, which reads its own settings'
        UV=''
        fill "$folder" "$extras" || die "neither uv nor pip could; the lines above say why"
    fi
    case ",$extras," in
        *,sim,*) need_gl "$folder" ;;
    esac
    case ",$extras," in
        *,browser,*) need_browser ;;
    esac
    printf '%s\n' "$stamp" >"$folder/stamp.new"
    mv "$folder/stamp.new" "$folder/stamp"
    exec 9>&-
}

# Kilted's is also the one that lints, reads the world for Gazebo, and looks at the reports.
test_environments() {
    environment kilted "$TEST_EXTRAS,descriptions,lint,gazebo,browser,kilted"
    environment jazzy "$TEST_EXTRAS,jazzy"
}

# The simulated cameras are rendered by EGL, in software where there is no GPU.
need_gl() {
    local check='import mujoco; mujoco.GLContext(64, 64).make_current()'
    if MUJOCO_GL=egl "$1/bin/python" -c "$check" >/dev/null 2>&1; then
        return
    fi
    apt_install "the simulated cameras need OpenGL's system libraries" "${GL_PACKAGES[@]}"
    MUJOCO_GL=egl "$1/bin/python" -c "$check" >&2 ||
        die 'OpenGL does not work on this machine; the lines above say why'
}

# The tests look at the reports in a real browser: any Chromium that is there, else Debian's.
need_browser() {
    local name
    for name in ${CHROMIUM:-chromium chromium-browser google-chrome}; do
        if "$name" --version >/dev/null 2>&1; then
            return
        fi
    done
    apt_install 'the tests look at the reports in a browser' chromium
    chromium --version >&2 || die 'chromium does not start on this machine; the lines above say why'
}
