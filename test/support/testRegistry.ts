/** A registry of images that serves one small image under many names, or fails in the ways real ones do. Plain HTTP. */

import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runProgram } from '../../infra/toolchain/run.ts';

/** What is wrong with a name: an answer to every request for its manifest, or a manifest that is not the one of its digest. */
export type RegistryTrouble = { readonly status: number } | 'tampered';

/** A registry that listens. */
export interface TestRegistry {
  /** as nodes are to trust it: `address:port` */
  readonly host: string;
  /** A new image, which has `sh`. @returns its name, without a tag: every tag will do */
  name(trouble?: RegistryTrouble): string;
  /** Digest of the image of that name: `sha256:…`; a node that has seen it asks no more. */
  digestOf(name: string): string;
  /** From now on the name is served as it should be. */
  heal(name: string): void;
  /** Requests for the manifest so far that were answered with trouble. */
  refusals(name: string): number;
  close(): Promise<void>;
}

interface Blob {
  readonly type: string;
  readonly bytes: Buffer;
}

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const applets = ['sh', 'cat', 'sleep', 'echo'];

/** A file system with nothing but busybox, packed. */
const packLayer = async (busyboxPath: string): Promise<Buffer> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-registry-'));
  try {
    const bin = path.join(folder, 'root/bin');
    await mkdir(bin, { recursive: true, mode: 0o755 });
    await cp(busyboxPath, path.join(bin, 'busybox'), { dereference: true });
    await chmod(path.join(bin, 'busybox'), 0o755);
    for (const applet of applets) await symlink('busybox', path.join(bin, applet));
    const layer = path.join(folder, 'layer.tar');
    await runProgram('tar', ['--owner=0', '--group=0', '--numeric-owner', '-cf', layer, '-C', path.join(folder, 'root'), '.']);
    return await readFile(layer);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

interface DescribedImage {
  /** the manifest of one of the images, told apart by their names alone */
  readonly manifestOf: (repository: string) => Buffer;
  readonly blobs: ReadonlyMap<string, Blob>;
}

/** The images as a registry has them. */
const describeImages = (layer: Buffer): DescribedImage => {
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [sha256(layer)] },
    history: [],
  };
  const parts: readonly Blob[] = [
    { type: 'application/vnd.docker.container.image.v1+json', bytes: Buffer.from(JSON.stringify(config)) },
    { type: 'application/vnd.docker.image.rootfs.diff.tar', bytes: layer },
  ];
  const [describedConfig, ...layers] = parts.map(({ type, bytes }) => ({ mediaType: type, size: bytes.length, digest: sha256(bytes) }));
  const manifest = { schemaVersion: 2, mediaType: manifestType, config: describedConfig, layers };
  const manifestOf = (repository: string): Buffer => Buffer.from(JSON.stringify({ ...manifest, annotations: { repository } }));
  return { manifestOf, blobs: new Map(parts.map((blob) => [sha256(blob.bytes), blob])) };
};

const send = (req: IncomingMessage, res: ServerResponse, { type, bytes }: Blob): void => {
  res.writeHead(200, { 'content-type': type, 'content-length': bytes.length, 'docker-content-digest': sha256(bytes) });
  res.end(req.method === 'HEAD' ? undefined : bytes);
};

/** Who may read; nobody else gets anything. */
export interface RegistryReader {
  readonly username: string;
  readonly password: string;
}

/** Starts one. @param address where nodes find this machine @param reader absent: everybody may read */
export const startTestRegistry = async (address: string, busyboxPath: string, reader?: RegistryReader): Promise<TestRegistry> => {
  const { manifestOf, blobs } = describeImages(await packLayer(busyboxPath));
  // other registries of other runs have other images
  const run = randomUUID();
  const troubles = new Map<string, RegistryTrouble | undefined>();
  const refusals = new Map<string, number>();
  const troubleOf = (repository: string, reference: string): RegistryTrouble | undefined => {
    const isAbsent = !troubles.has(repository) || (reference.startsWith('sha256:') && reference !== sha256(manifestOf(repository)));
    return troubles.get(repository) ?? (isAbsent ? { status: 404 } : undefined);
  };
  const sendManifest = (repository: string, reference: string, req: IncomingMessage, res: ServerResponse): void => {
    const trouble = troubleOf(repository, reference);
    const manifest = manifestOf(repository);
    if (trouble !== undefined) refusals.set(repository, (refusals.get(repository) ?? 0) + 1);
    if (trouble === 'tampered') {
      // the digest is claimed as a careless proxy would claim it
      res.writeHead(200, { 'content-type': manifestType, 'docker-content-digest': sha256(manifest) });
      res.end(req.method === 'HEAD' ? undefined : `${manifest.toString()} `);
    } else if (trouble !== undefined) {
      const { status } = trouble;
      const code = status === 429 ? 'TOOMANYREQUESTS' : status === 404 ? 'MANIFEST_UNKNOWN' : 'UNKNOWN';
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ errors: [{ code, message: 'not now' }] }));
    } else send(req, res, { type: manifestType, bytes: manifest });
  };
  const expected = reader && `Basic ${Buffer.from(`${reader.username}:${reader.password}`).toString('base64')}`;
  const server = createServer((req, res) => {
    if (expected !== undefined && req.headers.authorization !== expected) {
      res.writeHead(401, { 'content-type': 'application/json', 'www-authenticate': 'Basic realm="registry"' });
      res.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
      return;
    }
    const [, repository = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(req.url ?? '') ?? [];
    const blob = blobs.get(reference);
    if (kind === 'manifests') sendManifest(repository, reference, req, res);
    else if (kind === 'blobs' && blob !== undefined) send(req, res, blob);
    else res.writeHead(req.url?.startsWith('/v2') === true && kind === undefined ? 200 : 404).end();
  });
  server.listen(0, address);
  await once(server, 'listening');
  const host = `${address}:${(server.address() as AddressInfo).port}`;
  const repositoryOf = (name: string): string => name.slice(host.length + 1);
  return {
    host,
    digestOf: (name) => sha256(manifestOf(repositoryOf(name))),
    name(trouble) {
      const repository = `${run}/algorithm-${troubles.size}`;
      troubles.set(repository, trouble);
      return `${host}/${repository}`;
    },
    heal: (name) => void troubles.set(repositoryOf(name), undefined),
    refusals: (name) => refusals.get(repositoryOf(name)) ?? 0,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
