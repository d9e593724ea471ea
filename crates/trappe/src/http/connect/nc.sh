#!/bin/sh
# @WHAT@
# sh nc.sh bonjour
#@UDP@ UDP: (echo '/join @ROOM@'; cat) | nc -u '@HOST@' @PORT@
{
    echo '/join @ROOM@'
    [ $# -eq 0 ] || printf '%s\n' "$*"
    cat
} | nc '@HOST@' @PORT@
