/** versitygw, an S3 server in front of a folder: tests and measurements store results in it. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { downloadFromArchive, ensureGoProgram, findGoProgram, type GoProgramRecipe } from './cluster/goPrograms.ts';
import { MissingPart, messageOf, type FoundPart, type Report } from './parts.ts';
import { findFreePorts, startProgram, waitUntilReady } from './program.ts';
import { startRestartable, type Restartable } from './restartable.ts';
import { runProgram } from './run.ts';

const version = '1.8.0';
const readyPatienceMs = 30_000;

const recipe: GoProgramRecipe = {
  entry: { name: 'versitygw', version },
  part: 'versitygw',
  versionArguments: ['--version'],
  download: (folder) => {
    const architecture = process.arch === 'x64' ? 'x86_64' : process.arch;
    const name = `versitygw_v${version}_${process.platform === 'linux' ? 'Linux' : process.platform}_${architecture}`;
    return downloadFromArchive(
      `https://github.com/versity/versitygw/releases/download/v${version}/${name}.tar.gz`,
      folder,
      `${name}/versitygw`,
    );
  },
  build: async (go, _folder, options) => {
    const target = `github.com/versity/versitygw/cmd/versitygw@v${version}`;
    await runProgram(go, ['install', target], options);
  },
  remedy: 'install versitygw on the PATH, or set VERSITYGW_PATH to it',
};

/** The program that is here already: `VERSITYGW_PATH`, the PATH, else the cache folder. */
export const findVersitygw = async (): Promise<FoundPart | undefined> => {
  const named = process.env.VERSITYGW_PATH;
  if (named === undefined || named === '') return findGoProgram(recipe);
  const text = await runProgram(named, recipe.versionArguments, { timeoutMs: 60_000 }).catch((err: unknown) => {
    throw new MissingPart('versitygw', `VERSITYGW_PATH does not run: ${messageOf(err)}`, 'name versitygw, or unset VERSITYGW_PATH');
  });
  return { name: 'versitygw', version: /\d+(\.\d+)+/.exec(text)?.[0] ?? '', path: named, origin: 'environment' };
};

/**
 * The program, fetched if need be.
 * @throws MissingPart if there is no way to get it
 */
export const ensureVersitygw = async (report: Report = () => undefined): Promise<FoundPart> =>
  (await findVersitygw()) ?? ensureGoProgram(recipe, report);

/** A running server with one empty, private bucket. */
export interface S3Server extends Restartable {
  /** base URL; the bucket belongs into the path */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const region = 'us-east-1';
const bucket = 'results';

/** How to start the server. */
export interface S3ServerOptions {
  /** path of versitygw */
  readonly file: string;
  /** where buckets and the log are; whoever starts the server removes it */
  readonly folder: string;
}

/** Starts the server on a free port of 127.0.0.1; resolves when the bucket is there. A restart keeps port and objects. */
export const startS3Server = async ({ file, folder }: S3ServerOptions): Promise<S3Server> => {
  const [port = 0] = await findFreePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: 'results', secretAccessKey: 'a-secret-of-tests-alone' };
  const logFile = path.join(folder, 'versitygw.log');
  const data = path.join(folder, 'buckets');
  await mkdir(data, { recursive: true });
  const client = new S3Client({ region, endpoint, forcePathStyle: true, credentials: { ...credentials }, maxAttempts: 1 });
  const start = async () => {
    const program = await startProgram({
      name: 'versitygw',
      file,
      args: ['--port', `127.0.0.1:${port}`, '--region', region, '--quiet', '--keep-alive', 'posix', data],
      env: { PATH: process.env.PATH, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
      logFile,
    });
    await waitUntilReady(program, () => ensureBucket(client), { patienceMs: readyPatienceMs, logFile }).catch(async (err: unknown) => {
      await program.close();
      throw err;
    });
    return program;
  };
  const server = await startRestartable(start);
  return Object.assign(server, { endpoint, bucket, region, credentials });
};

const ensureBucket = async (client: S3Client): Promise<void> => {
  await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((err: unknown) => {
    if (!(err instanceof Error && err.name === 'BucketAlreadyOwnedByYou')) throw err;
  });
};
