/** What each command does; options are parsed by `program.ts`. */

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import type { environmentList } from '../v1/environmentSchemas.ts';
import type { CheckAnswer, JobDetails, jobPage, resultList } from '../v1/schemas.ts';
import { download, fileNameOf } from './download.ts';
import { Exit, exits, usageError, type ExitCode } from './exits.ts';
import { awaitEnd, readLog } from './follow.ts';
import { readJob, type JobOptions, type RequestBody } from './jobFile.ts';
import { checkArchive, checkFiles, readManifestFile, verifyManifest } from './manifest.ts';
import { openArchive, readArchiveKey } from './decryptArchive.ts';
import { readServiceKey, sealOutput, sealRegistryAuth } from './sealedFiles.ts';
import type { Session } from './session.ts';
import { say, type Terminal } from './terminal.ts';
import type { Signer } from './wallet.ts';
import {
  checkText,
  detailText,
  environmentsText,
  eventText,
  keptText,
  listText,
  resultsText,
  sizeText,
  stateText,
  verifiedText,
} from './texts.ts';

/** What a command works with. */
export interface CommandContext {
  readonly session: Session;
  /** opened when it is needed, once */
  readonly signer: () => Promise<Signer>;
  readonly terminal: Terminal;
  /** output for programs: one JSON text, or one per line where things go on */
  readonly json: boolean;
}

const tell = ({ terminal, json }: CommandContext, value: unknown, text: string): void => {
  if (json) say(terminal, JSON.stringify(value));
  else if (text !== '') say(terminal, text);
};

/** Success alone is 0. */
export const exitOf = ({ phase, ended }: Pick<JobDetails, 'phase' | 'ended'>): ExitCode =>
  ended && phase !== 'succeeded' ? exits.jobFailed : exits.ok;

export const listEnvironments = async (context: CommandContext): Promise<ExitCode> => {
  const response = await context.session.http.send({ path: '/api/v1/environments' });
  const { environments } = (await response.json()) as z.output<typeof environmentList>;
  tell(context, environments, environmentsText(environments));
  return exits.ok;
};

/** For calls of other programs; whoever has it is you for an hour. */
export const showToken = async (context: CommandContext): Promise<ExitCode> => {
  const token = await context.session.token();
  tell(context, { token }, token);
  return exits.ok;
};

const describe = async (context: CommandContext, options: JobOptions): Promise<RequestBody> => ({
  ...(await readJob(options, context)),
  ...(await sealRegistryAuth(context.session, options.registryAuth)),
  ...(await sealOutput(context.session, options.outputS3)),
});

export const checkJob = async (context: CommandContext, options: JobOptions): Promise<ExitCode> => {
  const body = await describe(context, options);
  const answer = await context.session.read<CheckAnswer>({ method: 'POST', path: '/api/v1/checks', body });
  tell(context, answer, checkText(answer));
  return answer.accepted ? exits.ok : exits.refused;
};

/** What a start takes beside the job. */
export interface StartOptions extends JobOptions {
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
}

export const startJob = async (context: CommandContext, options: StartOptions): Promise<ExitCode> => {
  const { idempotencyKey = randomUUID(), watch = false, ...described } = options;
  const body = await describe(context, described);
  const headers = { 'idempotency-key': idempotencyKey };
  const job = await context.session.read<JobDetails>({ method: 'POST', path: '/api/v1/jobs', headers, body });
  tell(context, job, job.id);
  return watch ? watchJob(context, job.id) : exits.ok;
};

export const watchJob = async (context: CommandContext, id: string): Promise<ExitCode> => {
  const job = await awaitEnd(context.session, id, (event) => {
    if (context.json) say(context.terminal, JSON.stringify({ event: event.kind, data: JSON.parse(event.data) as unknown }));
    else {
      const line = eventText(event);
      if (line !== null) say(context.terminal, line);
    }
  });
  if (!context.json) say(context.terminal, stateText(job));
  return exitOf(job);
};

export const showJob = async (context: CommandContext, id: string): Promise<ExitCode> => {
  const job = await context.session.read<JobDetails>({ path: `/api/v1/jobs/${id}` });
  tell(context, job, detailText(job));
  return exits.ok;
};

/** Which jobs to list. */
export interface ListOptions {
  readonly phase?: string;
  readonly environment?: string;
  /** at most so many jobs */
  readonly limit: number;
}

const longestPage = 100;

export const listJobs = async (context: CommandContext, { limit, phase, environment }: ListOptions): Promise<ExitCode> => {
  const jobs: z.output<typeof jobPage>['jobs'] = [];
  let cursor: string | undefined;
  do {
    const query = { phase, environment, cursor, limit: Math.min(longestPage, limit - jobs.length) };
    const page = await context.session.read<z.output<typeof jobPage>>({ path: '/api/v1/jobs', query });
    jobs.push(...page.jobs);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && jobs.length < limit);
  tell(context, jobs, listText(jobs));
  return exits.ok;
};

export const stopJob = async (context: CommandContext, id: string): Promise<ExitCode> => {
  const job = await context.session.read<JobDetails>({ method: 'POST', path: `/api/v1/jobs/${id}/stop` });
  tell(context, job, job.ended ? stateText(job) : 'stopping');
  return exits.ok;
};

/** Until when; one of the two. */
export interface KeepOptions {
  readonly until?: Date;
  /** seconds from now */
  readonly for?: number;
}

export const keepResults = async (context: CommandContext, id: string, options: KeepOptions): Promise<ExitCode> => {
  const until = options.until ?? (options.for === undefined ? null : new Date(Date.now() + options.for * 1_000));
  if (until === null) throw usageError('say how long: --until or --for');
  const path = `/api/v1/jobs/${id}/retention`;
  const job = await context.session.read<JobDetails>({ method: 'PUT', path, body: { until: until.toISOString() } });
  tell(context, job, keptText(job));
  return exits.ok;
};

export const deleteResults = async (context: CommandContext, id: string): Promise<ExitCode> => {
  const job = await context.session.read<JobDetails>({ method: 'DELETE', path: `/api/v1/jobs/${id}/retention` });
  tell(context, job, 'results and log are gone');
  return exits.ok;
};

/** Which part of a log. */
export interface LogOptions {
  readonly follow?: boolean;
  readonly offset: number;
}

/** The log as it is: bytes, also with `--json`. */
export const showLog = async ({ session, terminal }: CommandContext, id: string, options: LogOptions): Promise<ExitCode> => {
  const wanted = { id, follow: options.follow ?? false, offset: options.offset };
  for await (const piece of readLog(session, wanted)) {
    if (!terminal.stdout.write(piece)) await new Promise((resolve) => terminal.stdout.once('drain', resolve));
  }
  return exits.ok;
};

/** Which results, and where to. */
export interface ResultOptions {
  /** a folder; absent: results are listed only */
  readonly output?: string;
  readonly index?: number;
}

export const fetchResults = async (context: CommandContext, id: string, { output, index }: ResultOptions): Promise<ExitCode> => {
  const { results } = await context.session.read<z.output<typeof resultList>>({ path: `/api/v1/jobs/${id}/results` });
  const wanted = results.filter((result) => index === undefined || result.index === index);
  if (index !== undefined && wanted.length === 0) throw usageError(`the job has no result ${index}`);
  if (output === undefined) {
    tell(context, wanted, resultsText(wanted));
    return exits.ok;
  }
  for (const result of wanted) {
    const file = await download(context.session, { id, result, folder: output });
    tell(context, { ...result, file }, `${file}  ${sizeText(result.sizeBytes)}`);
  }
  await fetchManifest(context, { id, results, folder: output });
  return exits.ok;
};

interface ManifestPlace {
  readonly id: string;
  readonly results: JobDetails['results'];
  readonly folder: string;
}

/** Puts the manifest beside the results, under a name that none of them has. A job that has not ended has none yet. */
const fetchManifest = async (context: CommandContext, { id, results, folder }: ManifestPlace): Promise<void> => {
  const name = `${id}.manifest.json`;
  if (results.some((result) => fileNameOf(result) === name)) return;
  try {
    const manifest = await (await context.session.send({ path: `/api/v1/jobs/${id}/manifest` })).text();
    const file = path.join(folder, name);
    await writeFile(file, manifest);
    tell(context, { manifest: file }, file);
  } catch (err) {
    if (!(err instanceof Exit && err.problem?.status === 404)) throw err;
  }
};

/** What a manifest is compared with. */
export interface VerifyOptions {
  /** folder with the files; absent: only the signature is checked */
  readonly results?: string;
  /** the archive from a bucket of `output`; absent: it is not looked at */
  readonly archive?: string;
  /** address of who must have signed; absent: whom the manifest names */
  readonly provider?: string;
}

/** Asks nobody: what is checked is here, and the key is in the signature. */
export const verify = async (context: CommandContext, manifest: string, options: VerifyOptions): Promise<ExitCode> => {
  const { results, archive, provider } = options;
  const { signer, statement } = verifyManifest(await readManifestFile(manifest), provider);
  const files = [
    ...(results === undefined ? [] : await checkFiles(statement, results)),
    ...(archive === undefined ? [] : [await checkArchive(statement, archive)]),
  ];
  const { job, consumer } = statement.predicate;
  tell(context, { job: job.id, consumer, signer, files }, verifiedText(statement, signer, files));
  return files.every(({ verdict }) => verdict === 'good' || verdict === 'archived') ? exits.ok : exits.notGenuine;
};

/** Where decrypted files go. */
export interface DecryptOptions {
  /** absent: beside each file */
  readonly output?: string;
  /** a file; present: the files are archives from a bucket of `output` */
  readonly aesKeyFile?: string;
}

/** What opens one file, and tells where its content is. */
const openerOf = async ({ session, signer }: CommandContext, { output, aesKeyFile }: DecryptOptions) => {
  if (aesKeyFile !== undefined) {
    const key = await readArchiveKey(aesKeyFile, await readServiceKey(session));
    return (file: string): Promise<string> => openArchive(file, key, output);
  }
  const { privateKey } = await signer();
  // loaded when it is needed: every other command begins sooner
  const { createFileDecrypter } = await import('./decrypt.ts');
  const decrypter = createFileDecrypter(privateKey);
  return (file: string): Promise<string> => decrypter.open(file, output);
};

/** Stops at the first file that does not open; what was opened before stays. */
export const decryptFiles = async (context: CommandContext, files: readonly string[], options: DecryptOptions): Promise<ExitCode> => {
  const open = await openerOf(context, options);
  for (const file of files) {
    const opened = await open(file);
    tell(context, { file, opened }, opened);
  }
  return exits.ok;
};
