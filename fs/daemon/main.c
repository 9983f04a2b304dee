#include "daemon/background.h"
#include "daemon/options.h"
#include "daemon/resume.h"
#include "daemon/serve.h"

/* Exit status: 0 unmounted in good order; 1 could not mount, or the connection broke; 2 wrong use.
 */
int main(int argc, char **argv)
{
    Options options;
    int status = 2;
    bool check;
    ServiceFds given;
    int state = resume_asked(&check);
    if (state >= 0)
        return serve_resumed(argc, argv, state, check);
    if (service_given(&given) && serve_given(argc, argv, &given, &status))
        return status;
    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_RUN:
        status = serve_mount(&options);
        break;
    case OPTIONS_HELP:
        options_print_help();
        status = 0;
        break;
    case OPTIONS_VERSION:
        options_print_version();
        status = 0;
        break;
    case OPTIONS_REFUSED:
        break;
    }
    options_clear(&options);
    return status;
}
