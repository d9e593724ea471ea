#!/bin/sh
# @WHAT@
# sh nc.sh bonjour
#@UDP@ UDP: nc -u '@HOST@' @PORT@ (/join @ROOM@)
{
    echo '/join @ROOM@'
    [ $# -eq 0 ] || printf '%s\n' "$*"
    cat
} | nc '@HOST@' @PORT@
