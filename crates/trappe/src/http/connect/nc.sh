#!/bin/sh
# @WHAT@
# sh nc.sh bonjour
{
    echo '/join @ROOM@'
    [ $# -eq 0 ] || printf '%s\n' "$*"
    cat
} | nc '@HOST@' @PORT@
