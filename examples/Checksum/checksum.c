// cc -shared -fPIC -O2 -o out/runtimes/linux-x64/native/libchecksum.so checksum.c
#include <stddef.h>
#include <stdint.h>

uint32_t adler32(const uint8_t *bytes, size_t length) {
    uint32_t low = 1, high = 0;
    for (size_t at = 0; at < length; at++) {
        low = (low + bytes[at]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}
