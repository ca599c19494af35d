// What `firebase deploy --only functions` finds, resolves and packs, by the CLI's own code, up to its first call of
// Google: node firebase_cli.cjs LIB PROJECT_DIR OUT PROJECT...
// OUT/functions.json gets each project's functions, as the CLI has them and as Google would; OUT/upload.zip the upload.

const fs = require("fs");
const path = require("path");

const [lib, projectDir, out, ...projects] = process.argv.slice(2);
const load = (name) => require(path.join(lib, name));
const { Config } = load("config");
const { normalizeAndValidate } = load("functions/projectConfig");
const { loadUserEnvs } = load("functions/env");
const { getInvokerMembers } = load("gcp/proto");
const { functionFromEndpoint } = load("gcp/cloudfunctionsv2");
const { jobFromEndpoint } = load("gcp/cloudscheduler");
const { prepareFunctionsUpload } = load("deploy/functions/prepareFunctionsUpload");
const backend = load("deploy/functions/backend");
const build = load("deploy/functions/build");
const prepare = load("deploy/functions/prepare");
const validate = load("deploy/functions/validate");

async function resolved(config, codebases, projectId) {
  const firebaseConfig = { projectId, storageBucket: `${projectId}.firebasestorage.app` };
  const options = { config, projectId, cwd: projectDir };
  const builds = await prepare.loadCodebases(codebases, options, firebaseConfig, {}, undefined);
  const userEnvs = loadUserEnvs({ functionsSource: config.path("functions"), projectId, projectDir });
  const found = {};
  for (const [codebase, discovered] of Object.entries(builds)) {
    const inputs = { build: discovered, firebaseConfig, userEnvs, codebase, nonInteractive: true, isEmulator: false };
    const { backend: want } = await build.resolveBackend(inputs);
    prepare.resolveCpuAndConcurrency(want);
    validate.endpointsAreValid(want, backend.empty());
    for (const endpoint of backend.allEndpoints(want)) {
      endpoint.codebase = codebase;
      const invoker = endpoint.httpsTrigger && (endpoint.httpsTrigger.invoker || ["public"]);
      found[endpoint.id] = {
        endpoint,
        function: functionFromEndpoint(endpoint),
        callers: invoker ? getInvokerMembers(invoker, projectId) : null,
        job: endpoint.scheduleTrigger ? await jobFromEndpoint(endpoint, endpoint.region, "0") : null,
      };
    }
  }
  return found;
}

async function main() {
  const config = Config.load({ cwd: projectDir });
  const codebases = normalizeAndValidate(config.src.functions);
  const backends = {};
  for (const project of projects) {
    backends[project] = await resolved(config, codebases, project);
  }
  const packed = await prepareFunctionsUpload(projectDir, config.path("functions"), codebases[0], [], undefined, {
    exportType: "zip",
  });
  fs.copyFileSync(packed.pathToSource, path.join(out, "upload.zip"));
  fs.writeFileSync(path.join(out, "functions.json"), JSON.stringify(backends));
}

main().then(
  () => process.exit(0), // the discovery's timer would run for ten seconds more
  (error) => {
    console.error(error, error.children);
    process.exit(1);
  },
);
