/** Ends what globalSetup started. */

import { rm } from 'node:fs/promises';
import './globalSetup.ts';
import { closeSharedStack } from './support/sharedStack.ts';

const tearDown = async (): Promise<void> => {
  const servers = globalThis.c2dSharedServers;
  if (servers === undefined) return;
  await closeSharedStack();
  await Promise.all([servers.postgres.close(), servers.temporal.close()]);
  await rm(servers.folder, { recursive: true, force: true });
};

export default tearDown;
