/* The main of a fuzz target that is built without libFuzzer: it runs the files that it is given, to
 * look at what a fuzzer found. Included at the end. */
#ifndef COUPLET_TESTS_FUZZ_MAIN_H
#define COUPLET_TESTS_FUZZ_MAIN_H

#ifndef COUPLET_LIBFUZZER
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) return 1;
        static uint8_t data[1 << 20];
        size_t length = fread(data, 1, sizeof data, file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, length);
    }
    printf("%d files\n", argc - 1);
    return 0;
}
#endif

#endif
