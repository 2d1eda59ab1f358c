/* libstdc++ 12 and later takes the entropy of std::random_device from arc4random, which glibc has since 2.36 only;
   Amazon Linux 2023 has 2.34. The same promise over getrandom, which cannot fail for so few bytes but by a signal. */
#include <stdint.h>
#include <sys/random.h>

uint32_t arc4random(void) {
    uint32_t number;
    while (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
    }
    return number;
}
