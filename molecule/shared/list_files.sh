#!/bin/sh
# What a site could leave behind: files where people and packages put them, and the top of what programs write to.
find /etc /opt /usr/local /root /home -xdev -not -type d
find / /var/lib /var/log /var/cache /var/spool -xdev -mindepth 1 -maxdepth 1
cut -d: -f1 /etc/passwd /etc/group
