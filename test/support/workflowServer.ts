/** The shared Temporal server with a worker of today's workflows on a fake world: for tests of workflows. */

import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';
import { createActivities } from '../../activities/index.ts';
import { FailureInterceptor } from '../../workers/orchestrator/failureInterceptor.ts';
import { aJobId } from './builders.ts';
import { FakeWorld, type QueueOptions } from './fakeWorld.ts';

/** What a test works with; world and task queue are its own. */
export interface WorkflowServer {
  readonly client: Client;
  readonly world: FakeWorld;
  readonly taskQueue: string;
  /** Ends the worker, with everything that it keeps in memory, and starts another. */
  restartWorker(): Promise<void>;
}

interface Servers {
  readonly connection: Connection;
  readonly native: NativeConnection;
  readonly workflowBundle: WorkflowBundle;
}

const connect = async (workflows: string): Promise<Servers> => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const address = process.env.C2D_TEST_TEMPORAL_ADDRESS!;
  const workflowsPath = fileURLToPath(new URL(workflows, import.meta.url));
  const [connection, native, workflowBundle] = await Promise.all([
    Connection.connect({ address, connectTimeout: '60s' }),
    NativeConnection.connect({ address }),
    bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }),
  ]);
  return { connection, native, workflowBundle };
};

const startWorker = async ({ native, workflowBundle }: Servers, { world, taskQueue }: Pick<WorkflowServer, 'world' | 'taskQueue'>) => {
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowBundle,
    activities: createActivities(world.deps()),
    interceptors: { activity: [() => ({ inbound: new FailureInterceptor() })] },
    maxHeartbeatThrottleInterval: '100ms',
  });
  const running = worker.run();
  return async (): Promise<void> => {
    worker.shutdown();
    await running;
  };
};

/**
 * Call it at the top of a test file. After each test no pod may be left and no agent may have had trouble.
 * @param workflows the bundle's entry, from this folder
 * @returns a function that gives what the test works with, inside tests
 */
export const useWorkflowServer = (queueOptions: QueueOptions = {}, workflows = '../../workflows/index.ts'): (() => WorkflowServer) => {
  let servers: Servers | undefined;
  let current: WorkflowServer | undefined;
  let endWorker = async (): Promise<void> => undefined;
  beforeAll(async () => {
    servers = await connect(workflows);
  }, 120_000);
  afterAll(async () => {
    await servers?.connection.close();
    await servers?.native.close();
  });
  beforeEach(async () => {
    const client = new Client({ connection: servers!.connection });
    const taskQueue = `test-${aJobId()}`;
    const world = new FakeWorld(client, taskQueue, queueOptions);
    endWorker = await startWorker(servers!, { world, taskQueue });
    const restartWorker = async (): Promise<void> => {
      await endWorker();
      endWorker = await startWorker(servers!, { world, taskQueue });
    };
    current = { client, world, taskQueue, restartWorker };
  });
  afterEach(async () => {
    await endWorker();
    expect(current!.world.problems).toEqual([]);
    expect([...current!.world.pods.keys()]).toEqual([]); // the leak guard: every path tears down
  }, 30_000);
  return () => {
    if (current === undefined) throw new Error('the server is there inside tests only');
    return current;
  };
};
