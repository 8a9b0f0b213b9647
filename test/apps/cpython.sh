# needs: python3 libpython3.11-testsuite openssl dash
# CPython's own tests of what networks do. Their output has times in it, so the status is compared.
version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
programs "/usr/bin/python$version" cat sleep openssl
"$top/scripts/copy-elf" "$root" /bin/dash=/bin/sh
cp "$root/usr/bin/python$version" "$root/usr/bin/python3"
tree "/usr/lib/python$version"
rm -rf "$root/usr/lib/python$version"/{config-*,idlelib,ensurepip,test/dtracedata} # make would take its .d files for ours
[ ! -d /usr/lib/ssl ] || { mkdir -p "$root/usr/lib/ssl"; cp -L /usr/lib/ssl/openssl.cnf "$root/usr/lib/ssl/"; }
cp /etc/services /etc/protocols "$root/etc/"
echo '127.0.0.1 localhost' >"$root/etc/hosts"
run <<'END'
status: python3 -m test test_socket -i '*VSOCK*' -i '*CAN*' -i '*BT*' -i '*ALG*'
status: python3 -m test test_ssl
status: python3 -m test test_select test_poll test_epoll test_selectors
status: python3 -m test test_asyncore test_asynchat test_socketserver
status: python3 -m test test_httpservers test_urllib2_localnet test_xmlrpc
status: python3 -m test test_ftplib test_smtplib test_telnetlib
status: python3 -m test test_asyncio.test_selector_events test_asyncio.test_streams test_asyncio.test_sock_lowlevel
status: python3 -m test test_asyncio.test_server test_asyncio.test_sslproto test_asyncio.test_sendfile
status: python3 -m test test_asyncio.test_base_events test_asyncio.test_unix_events test_asyncio.test_ssl
END
