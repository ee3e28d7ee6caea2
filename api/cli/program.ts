/** The command line: options, help, exit codes. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import * as commands from './commands.ts';
import { Exit, exits, type ExitCode } from './exits.ts';
import { createHttp } from './http.ts';
import type { JobOptions } from './jobFile.ts';
import { createSession } from './session.ts';
import { note, type Terminal } from './terminal.ts';
import { openSigner, type KeyPlaces, type Signer } from './wallet.ts';

interface GlobalOptions extends KeyPlaces {
  readonly url: string;
  readonly json?: boolean;
  readonly patience: number;
}

const readNumber = (given: string): number => {
  if (!/^\d+(\.\d+)?$/.test(given)) throw new InvalidArgumentError('It is no number.');
  return Number(given);
};

const readInteger = (given: string): number => {
  if (!/^\d{1,15}$/.test(given)) throw new InvalidArgumentError('It is no whole number.');
  return Number(given);
};

const readTime = (given: string): Date => {
  const time = new Date(given);
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It is no time, such as 2027-01-31T12:00:00Z.');
  return time;
};

const readJobId = (given: string): string => {
  if (!/^[0-9a-f]{32}$/.test(given)) throw new InvalidArgumentError('It is no job id of 32 hex digits.');
  return given;
};

const collect = (given: string, before: readonly string[] = []): readonly string[] => [...before, given];

const helpOnExits = `
Exit codes:
  0  done; watch and start --watch: the job succeeded
  1  the job failed, was stopped or was refused
  2  wrong options, no usable key, a file that cannot be read
  3  the service refused the request; check: the job would be refused
  4  the service cannot be reached or cannot serve now
  5  something unforeseen
  6  verify: the manifest is not genuine, or a file is missing or different; decrypt: not encrypted to you, or changed

Keys are read from files only. The same options can be set as C2D_URL, C2D_KEY_FILE, C2D_KEYSTORE and C2D_PASSWORD_FILE.`;

const helpOnJobs = `
Examples:
  c2d check -e small --free --image node:24 --entrypoint 'node $ALGO' --code sum.js
  c2d start -e small --dataset did:op:…,compute,0x… --algorithm did:op:…,algorithm,0x… --watch
  c2d start --file job.json --queue 300`;

const describeJob = (command: Command): Command =>
  command
    .option('-f, --file <path>', 'the request as JSON, as POST /api/v1/jobs takes it; - is the standard input')
    .option('-e, --environment <id>', 'compute environment')
    .option('--free', 'a free job: needs no orders')
    .option('--algorithm <did,service[,tx]>', 'published algorithm, with the transaction of its order')
    .option('--dataset <did,service[,tx]>', 'dataset, with the transaction of its order; may be repeated', collect)
    .option('--image <name[:tag]>', 'image for code of your own')
    .option('--registry-auth <path>', 'file with {"username", "password"} or {"auth"} for the registry of the image')
    .option('--entrypoint <command>', 'how the image runs the code; $ALGO is its path')
    .option('--code <path>', 'code of your own; - is the standard input')
    .option('--variable <NAME=value>', 'environment variable of the algorithm; may be repeated', collect)
    .option('--resource <id=amount>', 'cpu in cores, ram and disk in GiB, devices in units; may be repeated', collect)
    .option('--duration <seconds>', 'longest run time', readNumber)
    .option('--queue <seconds>', 'longest wait for a place', readNumber)
    .option('--encrypt-to <key>', 'encrypt results to this public key; self: to your own')
    .option('--output-s3 <path>', 'file that describes an S3 bucket of your own, where the outputs go')
    .option('--pay <chain,token>', 'how compute time is paid where the environment has prices; see what `check` says')
    .option('--viewer <address>', 'who else may read results and log; may be repeated', collect)
    .addHelpText('after', helpOnJobs);

const setting = (flags: string, description: string, fallback: string | undefined): Option => {
  const option = new Option(flags, description);
  return fallback === undefined ? option : option.default(fallback);
};

const createProgram = (terminal: Terminal, version: string): Command => {
  const { C2D_URL, C2D_KEY_FILE, C2D_KEYSTORE, C2D_PASSWORD_FILE } = terminal.settings;
  return new Command('c2d')
    .description('Compute-to-Data jobs from the command line.')
    .version(version)
    .addOption(setting('--url <url>', 'where the service is', C2D_URL ?? 'http://127.0.0.1:8000'))
    .addOption(setting('--key-file <path>', 'file with a private key as hex', C2D_KEY_FILE))
    .addOption(setting('--keystore <path>', 'encrypted key as Ethereum wallets write it', C2D_KEYSTORE))
    .addOption(setting('--password-file <path>', 'password of the keystore; absent: you are asked', C2D_PASSWORD_FILE))
    .option('--json', 'output for programs')
    .option('--patience <seconds>', 'how long a busy or absent service is asked again', readNumber, 60)
    .addHelpText('after', helpOnExits)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    });
};

/** Runs a command's work; what it answers becomes the exit code. */
type Run = (work: (context: commands.CommandContext) => Promise<ExitCode>) => Promise<void>;

const addJobCommands = (program: Command, run: Run): void => {
  const add = (name: string, description: string): Command => program.command(name).description(description);
  add('environments', 'what can be computed on; needs no key').action(() => run(commands.listEnvironments));
  add('token', 'a token for other programs, good for an hour').action(() => run(commands.showToken));
  describeJob(add('check', 'would this job be accepted? Starts nothing, spends nothing; tells all reasons')).action((options: JobOptions) =>
    run((context) => commands.checkJob(context, options)),
  );
  describeJob(add('start', 'start a job; prints its id'))
    .option('--idempotency-key <text>', 'repeating a start under one key gets the same job')
    .option('-w, --watch', 'stay until it has ended')
    .action((options: commands.StartOptions) => run((context) => commands.startJob(context, options)));
  add('list', 'your jobs, newest first')
    .option('--phase <word>', 'only jobs in this phase')
    .option('-e, --environment <id>', 'only jobs of this environment')
    .option('-n, --limit <count>', 'at most so many', readInteger, 20)
    .action((options: commands.ListOptions) => run((context) => commands.listJobs(context, options)));
};

const readAddress = (given: string): string => {
  if (!/^0x[0-9a-fA-F]{40}$/.test(given)) throw new InvalidArgumentError('It is no address.');
  return given;
};

/** What needs no service. */
const addOfflineCommands = (program: Command, run: Run): void => {
  program
    .command('verify')
    .description('is this manifest genuine, and are the files what it says? Needs neither key nor service')
    .argument('<manifest>', 'as `c2d results --output` has written it')
    .option('-r, --results <folder>', 'compare the files of this folder')
    .option('-a, --archive <file>', 'compare this archive, as it lay in your bucket')
    .option('-p, --provider <address>', 'who must have signed; without it, whoever the manifest names', readAddress)
    .addHelpText(
      'after',
      '\nExample:\n  c2d verify results/0123456789abcdef0123456789abcdef.manifest.json --results results --provider 0x…',
    )
    .action((manifest: string, options: commands.VerifyOptions) => run((context) => commands.verify(context, manifest, options)));
  program
    .command('decrypt')
    .description('open encrypted results with your key, which needs no service, or archives from your own bucket with an AES key')
    .argument('<files...>', 'names end with .age, but for archives')
    .option('-o, --output <folder>', 'where to; absent: beside each file')
    .option('--aes-key-file <path>', 'file with the AES key of an archive, 64 hex digits; the service is asked for its public key')
    .addHelpText('after', '\nExample:\n  c2d decrypt results/*.age --key-file key')
    .action((files: readonly string[], options: commands.DecryptOptions) =>
      run((context) => commands.decryptFiles(context, files, options)),
    );
};

const addSingleJobCommands = (program: Command, run: Run): void => {
  const add = (name: string, description: string): Command =>
    program.command(name).description(description).argument('<job>', 'id of the job', readJobId);
  add('status', 'where a job is, and where its time went').action((id: string) => run((context) => commands.showJob(context, id)));
  add('watch', 'follow a job to its end').action((id: string) => run((context) => commands.watchJob(context, id)));
  add('logs', "the algorithm's log")
    .option('-f, --follow', 'stay until the job has ended')
    .option('--offset <bytes>', 'skip so many bytes', readInteger, 0)
    .addHelpText('after', '\nExample:\n  c2d logs -f 0123456789abcdef0123456789abcdef | grep error')
    .action((id: string, options: commands.LogOptions) => run((context) => commands.showLog(context, id, options)));
  add('results', 'list results, or fetch them')
    .option('-o, --output <folder>', 'where to; interrupted downloads are taken up again')
    .option('-i, --index <number>', 'only this one', readInteger)
    .addHelpText('after', '\nExample:\n  c2d results 0123456789abcdef0123456789abcdef --output results')
    .action((id: string, options: commands.ResultOptions) => run((context) => commands.fetchResults(context, id, options)));
  add('keep', 'move the end of the results of a job that has ended')
    .addOption(new Option('--until <time>', 'such as 2027-01-31T12:00:00Z').argParser(readTime).conflicts('for'))
    .option('--for <seconds>', 'from now on', readNumber)
    .action((id: string, options: commands.KeepOptions) => run((context) => commands.keepResults(context, id, options)));
  add('delete', 'remove results and log of a job that has ended').action((id: string) =>
    run((context) => commands.deleteResults(context, id)),
  );
  add('stop', 'stop a job; what it has written so far is published').action((id: string) =>
    run((context) => commands.stopJob(context, id)),
  );
};

const openContext = ({ url, json, patience, ...keys }: GlobalOptions, terminal: Terminal): commands.CommandContext => {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) throw new Exit(exits.usage, `${url} is no http address`);
  let opened: Promise<Signer> | undefined;
  const signer = (): Promise<Signer> => (opened ??= openSigner(keys, terminal));
  return { session: createSession(createHttp(url, patience), signer), signer, terminal, json: json === true };
};

const explain = (err: unknown, terminal: Terminal, json: boolean): ExitCode => {
  // the parser has written its own text already
  if (err instanceof CommanderError) return err.exitCode === 0 ? exits.ok : exits.usage;
  const problem = err instanceof Exit ? err.problem : undefined;
  const message = err instanceof Error ? err.message : String(err);
  const code = err instanceof Exit ? err.code : exits.unforeseen;
  if (json) note(terminal, JSON.stringify({ error: { message, exitCode: code, ...problem } }));
  else {
    note(terminal, `c2d: ${problem === undefined ? message : `${problem.title}: ${message}`}`);
    if (problem !== undefined && problem.hint !== '') note(terminal, `     ${problem.hint}`);
    if (problem !== undefined) note(terminal, `     ${problem.code}, request ${problem.requestId}`);
  }
  return code;
};

/**
 * Runs the program once. Never throws.
 * @param args without interpreter and script
 * @returns the exit code
 */
export const runProgram = async (args: readonly string[], terminal: Terminal, version: string): Promise<ExitCode> => {
  let code: ExitCode = exits.ok;
  const program = createProgram(terminal, version);
  const run: Run = async (work) => {
    code = await work(openContext(program.opts<GlobalOptions>(), terminal));
  };
  addJobCommands(program, run);
  addSingleJobCommands(program, run);
  addOfflineCommands(program, run);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (err) {
    return explain(err, terminal, program.opts<GlobalOptions>().json === true);
  }
};
