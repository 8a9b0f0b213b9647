# needs: openssl
programs openssl cat wc sha256sum
[ ! -d /usr/lib/ssl ] || { mkdir -p "$root/usr/lib/ssl"; cp -L /usr/lib/ssl/openssl.cnf "$root/usr/lib/ssl/"; }
[ ! -d /usr/lib/x86_64-linux-gnu/ossl-modules ] || tree /usr/lib/x86_64-linux-gnu/ossl-modules
seq 1 50000 | file data
run <<'END'
openssl version
openssl dgst -sha256 data
openssl dgst -sha512 -r data
openssl dgst -sha3-256 data
openssl dgst -md5 -hmac key data
openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:x -in data -out enc
openssl enc -d -aes-256-cbc -pbkdf2 -S 0102030405060708 -pass pass:x -in enc | sha256sum
openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000000 -in data | sha256sum
openssl enc -chacha20 -K 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000000 -in data | sha256sum
openssl enc -base64 -in enc | sha256sum
openssl rand -hex 16 | wc -c
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem
openssl pkey -in key.pem -check -noout
openssl dgst -sha256 -sign key.pem -out sig data
openssl pkey -in key.pem -pubout -out pub.pem
openssl dgst -sha256 -verify pub.pem -signature sig data
openssl req -x509 -key key.pem -subj /CN=test -days 1 -out cert.pem
openssl x509 -in cert.pem -noout -subject
openssl verify -CAfile cert.pem cert.pem
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
openssl prime 1000003
openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:wrong -in enc
status: openssl speed -seconds 1 -bytes 1024 sha256
status: openssl speed -seconds 1 -evp aes-128-gcm -bytes 16384
status: openssl speed -seconds 1 -multi 2 -bytes 64 md5
END
sed -i '/-multi/d' "$work/list" # it forks
