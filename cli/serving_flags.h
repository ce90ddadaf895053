// Where a process serves: --listen, --http, --announce.
#ifndef OPERANT_CLI_SERVING_FLAGS_H_
#define OPERANT_CLI_SERVING_FLAGS_H_

#include <string>

#include "CLI/CLI.hpp"

namespace operant::cli {

struct ServingFlags {
  std::string listen = "127.0.0.1:0";
  std::string http = "127.0.0.1:0";
  std::string announce;
};

inline void AddServingFlags(CLI::App& verb, ServingFlags& flags) {
  verb.add_option("--listen", flags.listen,
                  "Address of the gRPC services; port 0: a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  verb.add_option("--http", flags.http, "Address of /metrics and /healthz")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  verb.add_option("--announce", flags.announce,
                  "Write the addresses to this file, as JSON, once they serve")
      ->type_name("FILE");
}

}  // namespace operant::cli

#endif  // OPERANT_CLI_SERVING_FLAGS_H_
