"use strict";
// Preloaded into the Firebase CLI. The Auth emulator compiles a validator for each of the some hundred operations of
// Google's Identity API before it starts: 10 of the suite's 20 s (measured with node --cpu-prof, 2 shared cores). Its
// router has an option to compile each at its first use, which the CLI does not set. Where the router is absent or has
// changed, nothing happens and the start is slow again.
const path = require("node:path");

try {
  const cli = path.dirname(process.argv[1]);
  const router = require(require.resolve("exegesis-express", { paths: [cli] }));
  const middleware = router.middleware;
  router.middleware = (document, options) =>
    middleware(document, { ...options, lazyCompileValidationSchemas: true });
} catch (error) {
  console.error(`lazy_auth_schemas: ${error.message}`);
}
