/** Fetches and builds every part ahead of its first use, showing progress. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Listr } from 'listr2';
import { ensureBusybox } from './busybox.ts';
import { ensureCoreDns } from './cluster/coreDns.ts';
import { ensureHelm } from './cluster/helm.ts';
import { ensureKubernetes } from './cluster/kubernetesPrograms.ts';
import { ensureNodePrograms } from './cluster/nodePrograms.ts';
import { ensureAgentImage } from './agentImage.ts';
import { ensureClients } from './clients.ts';
import { ensureNodeAlgorithmImage } from './algorithmImage.ts';
import { ensureTemporalCli } from './temporal.ts';
import { findPostgres } from './postgresBinaries.ts';
import { startContainerEngine } from './containerEngine.ts';
import { describePart, type Report } from './parts.ts';
import { ensureKubo } from './kubo.ts';
import { ensureVersitygw } from './versitygw.ts';

/** Result of preparing one part, as a line for people. */
type Preparation = (report: Report) => Promise<string>;

const prepareImages: Preparation = async (report) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'c2d-prepare-'));
  const busybox = await ensureBusybox(report);
  const engine = await startContainerEngine({ folder, report });
  try {
    const build = { docker: engine.docker, busyboxPath: busybox.path, report };
    const images = [await ensureAgentImage(build), await ensureNodeAlgorithmImage(build)];
    return `${engine.kind} ${engine.version}, images ${images.join(' and ')}`;
  } finally {
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
};

const prepareCluster: Preparation = async (report) => {
  const found: string[] = [];
  for (const ensure of [ensureNodePrograms, ensureKubernetes, ensureCoreDns, ensureHelm]) found.push(describePart(await ensure(report)));
  return found.join(', ');
};

const preparations: Readonly<Record<string, Preparation>> = {
  temporal: async (report) => describePart(await ensureTemporalCli(report)),
  postgres: async () => describePart(await findPostgres()),
  containers: prepareImages,
  clients: async (report) => describePart(await ensureClients(report)),
  's3 server': async (report) => describePart(await ensureVersitygw(report)),
  'ipfs node': async (report) => describePart(await ensureKubo(report)),
  cluster: prepareCluster,
};

/** Names that `prepareParts` takes. */
const partNames: readonly string[] = Object.keys(preparations);

/** A cluster takes minutes to build and root to run, and only tests need a server of S3 or a node of IPFS: only who asks for them pays for them. */
const rarePartNames = ['cluster', 's3 server', 'ipfs node'];

/** What every command may need. */
const commonPartNames = partNames.filter((name) => !rarePartNames.includes(name));

/**
 * Prepares the named parts, by default those that every command may need, one after the other: they compete for the same processors and network.
 * Quick when everything is there. Progress goes to the terminal, as plain lines where it is none.
 * @throws MissingPart for the first part that cannot be had; RangeError for an unknown name
 */
export const prepareParts = async (names: readonly string[] = commonPartNames): Promise<void> => {
  const unknown = names.find((name) => preparations[name] === undefined);
  if (unknown !== undefined) throw new RangeError(`there is no part ${unknown}; there are ${partNames.join(', ')}`);
  const tasks = new Listr(
    Object.entries(preparations)
      .filter(([name]) => names.includes(name))
      .map(([name, prepare]) => ({
        title: name,
        task: async (_context: unknown, task: { title: string; output: string }): Promise<void> => {
          const found = await prepare((line) => {
            task.output = line;
          });
          task.title = `${name}: ${found}`;
        },
      })),
    { concurrent: false, exitOnError: true, fallbackRenderer: 'simple' },
  );
  await tasks.run();
};
