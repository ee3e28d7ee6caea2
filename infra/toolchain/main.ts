/** The commands of the README: `npm run <command>` comes here through `bootstrap.mjs`. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { MissingPart } from './parts.ts';

const readCount = (text: string): number => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new InvalidArgumentError('It is no whole number above 0.');
  return count;
};

const program = new Command('durable-c2d')
  .description('Compute-to-Data for Ocean Protocol: the commands of this repository. Call them as `npm run <command> -- [options]`.')
  .showHelpAfterError()
  .exitOverride();

program
  .command('demo')
  .description('run one job from end to end on this machine, and explain each step')
  .option('--keep', 'leave the service up afterwards, until Ctrl-C', false)
  .option('--output <folder>', 'where to put the results (default: a new folder in the temporary folder)')
  .action(async ({ keep, output }: { keep: boolean; output?: string }) => {
    const { runDemo } = await import('./demo/demo.ts');
    await runDemo({ keep, ...(output !== undefined && { output }) });
  });

program
  .command('dev')
  .description('start the whole service on this machine with a local chain, and leave it up until Ctrl-C')
  .option('--folder <folder>', 'keep the data in this folder, and find it again at the next start')
  .addOption(new Option('--runtime <runtime>', 'where pods run').choices(['docker', 'kubernetes']).default('docker'))
  .option('--cluster <name>', 'with --runtime kubernetes: a cluster that is up', 'dev')
  .action(async ({ folder, runtime, cluster }: { folder?: string; runtime: string; cluster: string }) => {
    const { runDev } = await import('./dev.ts');
    await runDev({ ...(folder !== undefined && { folder }), ...(runtime === 'kubernetes' && { cluster }) });
  });

program
  .command('doctor')
  .description('show which parts are here, which will be fetched, and what is missing')
  .option('--json', 'as JSON', false)
  .action(async ({ json }: { json: boolean }) => {
    const { examineMachine, renderDiagnoses } = await import('./doctor.ts');
    const diagnoses = await examineMachine();
    console.log(json ? JSON.stringify(diagnoses, null, 2) : renderDiagnoses(diagnoses));
    if (diagnoses.some(({ state }) => state === 'missing')) process.exitCode = 1;
  });

program
  .command('prepare')
  .description('fetch and build the parts ahead of their first use')
  .argument('[parts...]', 'some of: temporal, postgres, containers, clients, s3 server, ipfs node, cluster (default: the first four)')
  .action(async (parts: string[]) => {
    const { prepareParts } = await import('./prepare.ts');
    await prepareParts(parts.length === 0 ? undefined : parts);
  });

program
  .command('test')
  .description('run the tests; every argument goes to jest')
  .helpOption(false)
  .allowUnknownOption()
  .argument('[arguments...]')
  .action(async (args: string[]) => {
    const { runTests } = await import('./tests.ts');
    process.exitCode = await runTests(args);
  });

program
  .command('test:kubernetes')
  .description('run the end-to-end tests with pods of a real cluster, and those that only a cluster can show; other arguments go to jest')
  .helpOption(false)
  .allowUnknownOption()
  .option('--cluster <name>', 'use this cluster, which is up, and leave it up; default: one of its own')
  .option('--no-watch-pods', 'with orchestrators that do not watch the pods: slower, with the same outcomes')
  .argument('[arguments...]')
  .action(async (args: string[], options: { cluster?: string; watchPods: boolean }) => {
    const { runKubernetesTests } = await import('./tests.ts');
    process.exitCode = await runKubernetesTests(args, options);
  });

program
  .command('test:fuzz')
  .description('fuzz every API from its OpenAPI description; nothing of it leaves the machine')
  .option('--seed <number>', 'the same seed asks the same questions', readCount, 1)
  .option('--cases <number>', 'fewest cases for each API', readCount, 3_000)
  .option('--surfaces <names...>', 'some of: node, v1, classic, operator (default: all)')
  .action(async (options: { seed: number; cases: number; surfaces?: string[] }) => {
    const { runFuzz } = await import('../../test/fuzz/fuzz.ts');
    process.exitCode = (await runFuzz({ ...options, print: (line) => console.log(line) })) ? 0 : 1;
  });

program
  .command('bench:job')
  .description('run trivial jobs one after another and compare their times with those of bare containers')
  .option('--jobs <number>', 'how many to measure', readCount, 50)
  .action(async (options: { jobs: number }) => {
    const { benchJobs } = await import('../../test/bench/job.bench.ts');
    await benchJobs(options);
  });

program
  .command('bench:kubernetes')
  .description('run trivial jobs on a cluster one after another and compare their times with those of bare pods')
  .option('--jobs <number>', 'how many to measure', readCount, 50)
  .option('--cluster <name>', 'use this cluster, which is up, and leave it up; default: one of its own')
  .action(async (options: { jobs: number; cluster?: string }) => {
    const { benchCluster } = await import('../../test/bench/cluster.bench.ts');
    await benchCluster(options);
  });

program
  .command('bench:transfer')
  .description('stage and publish one large file, and compare the throughput with curl')
  .option('--bytes <number>', 'size of the file', readCount, 1024 ** 3)
  .option('--small-bytes <number>', 'size of the file that memory is compared with', readCount, 64 * 1024 ** 2)
  .option('--megabits <number>', 'speed of the link to the data source; 0: as fast as it goes', Number, 0)
  .action(async (options: { bytes: number; smallBytes: number; megabits: number }) => {
    const { benchTransfer } = await import('../../test/bench/transfer.bench.ts');
    await benchTransfer(options);
  });

program
  .command('bench:storage')
  .description('publish large files and many small ones into a bucket and into IPFS, and compare with plain clients')
  .option('--bytes <number>', 'size of the large file', readCount, 1024 ** 3)
  .option('--files <number>', 'how many small files', readCount, 10_000)
  .option('--file-bytes <number>', 'size of each of them', readCount, 10 * 1024)
  .option('--jobs <number>', 'how many trivial jobs to measure for each kind of store', readCount, 10)
  .action(async (options: { bytes: number; files: number; fileBytes: number; jobs: number }) => {
    const { benchStorage } = await import('../../test/bench/storage.bench.ts');
    await benchStorage(options);
  });

program
  .command('bench:api')
  .description('ask for statuses and starts at a given rate, and compare the answers with bare routes and the parts of the work')
  .option('--stored-jobs <number>', 'jobs in the ledger', readCount, 100_000)
  .option('--status-per-second <number>', 'statuses asked for in a second', readCount, 1_000)
  .option('--starts-per-second <number>', 'jobs started in a second', readCount, 50)
  .option('--seconds <number>', 'how long each route is asked', readCount, 30)
  .action(async (options: { storedJobs: number; statusPerSecond: number; startsPerSecond: number; seconds: number }) => {
    const { benchApi } = await import('../../test/bench/api.bench.ts');
    await benchApi(options);
  });

program
  .command('bench:control-plane')
  .description('run jobs whose pods do nothing, as many as Temporal, ledger and one orchestrator carry, and compare with bare workflows')
  .option('--jobs <number>', 'how many to measure in each round', readCount, 500)
  .option('--at-once <number>', 'how many are under way at any time', readCount, 40)
  .action(async (options: { jobs: number; atOnce: number }) => {
    const { benchControlPlane } = await import('../../test/bench/controlPlane.bench.ts');
    await benchControlPlane(options);
  });

program
  .command('images')
  .description('build the images of the service and the agent, and write them as archives with the values that name them')
  .option('--repository <name>', 'registry and folder from which the cluster will pull them', 'localhost/durable-c2d')
  .requiredOption('--output <folder>', 'where the archives go')
  .action(async (options: { repository: string; output: string }) => {
    const { writeImages } = await import('./images.ts');
    await writeImages({ ...options, report: (line) => console.log(line) });
  });

program
  .command('pack:cli')
  .description('make the npm package of the command line c2d')
  .argument('[folder]', 'where to put it', '.')
  .action(async (folder: string) => {
    const { packCli } = await import('./packCli.ts');
    console.log(await packCli(folder));
  });

program
  .command('check')
  .description('types, lint, format and unused code in one go')
  .action(async () => {
    const { runChecks } = await import('./check.ts');
    process.exitCode = await runChecks();
  });

const cluster = program.command('cluster').description('a real Kubernetes cluster of one node on this machine, for tests and development');

const clusterCommand = (name: string, description: string): Command =>
  cluster
    .command(name)
    .description(description)
    .option('--name <name>', 'which one: several can be at once', 'dev')
    .option('--json', 'as JSON', false);

clusterCommand('up', 'start it and leave it up')
  .option('--no-policies', 'do not enforce network policies')
  .action(async (options: { name: string; json: boolean; policies: boolean }) => {
    await (await import('./cluster/commands.ts')).bringClusterUp(options);
  });

clusterCommand('down', 'take it down and leave nothing of it').action(async (options: { name: string; json: boolean }) => {
  await (await import('./cluster/commands.ts')).takeClusterDown(options);
});

clusterCommand('status', 'show where it is and whether it is well').action(async (options: { name: string; json: boolean }) => {
  await (await import('./cluster/commands.ts')).showCluster(options);
});

clusterCommand('reset', "remove all namespaces but the cluster's own").action(async (options: { name: string; json: boolean }) => {
  await (await import('./cluster/commands.ts')).resetCluster(options);
});

cluster
  .command('hold', { hidden: true })
  .requiredOption('--name <name>')
  .option('--no-policies')
  .option('--owned', 'end with the standard input', false)
  .action(async ({ name, policies, owned }: { name: string; policies: boolean; owned: boolean }) => {
    const { holdCluster } = await import('./cluster/host.ts');
    await holdCluster({ name, isEnforcing: policies, isOwned: owned });
  });

try {
  await program.parseAsync();
} catch (err) {
  if (err instanceof CommanderError) {
    process.exitCode = err.exitCode;
  } else {
    // a part that is missing and a wrong argument speak for themselves; everything else shows where it happened
    const isPlain = err instanceof MissingPart || err instanceof RangeError || (err instanceof Error && 'remedy' in err);
    console.error(isPlain ? err.message : err);
    process.exitCode = 1;
  }
}
// an ended command must not hang on a connection that somebody forgot
process.exit();
