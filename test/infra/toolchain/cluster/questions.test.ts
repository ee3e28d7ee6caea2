import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import {
  installPlugin,
  openQuestionDesk,
  type Arrival,
  type QuestionDesk,
} from '../../../../infra/toolchain/cluster/policies/questions.ts';
import { createTemporaryFolder } from '../temporaryFolder.ts';

const prevResult = { cniVersion: '0.4.0', ips: [{ version: '4', address: '10.0.0.7/20' }] };
const config = JSON.stringify({ cniVersion: '0.4.0', name: 'c2d', type: 'c2d-policy', prevResult });
const pod = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=jobs;K8S_POD_NAME=one;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2-3';

let desk: QuestionDesk | undefined;

afterEach(() => {
  desk?.close();
  desk = undefined;
});

const prepare = async (
  admit: (arrival: Arrival) => Promise<void>,
): Promise<{ questions: string; ask: (command: string) => ReturnType<typeof run> }> => {
  const folder = createTemporaryFolder();
  const [plugins, questions] = [path.join(folder, 'plugins'), path.join(folder, 'questions')];
  mkdirSync(plugins);
  await installPlugin(plugins, questions);
  desk = await openQuestionDesk(questions, admit);
  return { questions, ask: (command) => run(path.join(plugins, 'c2d-policy'), command) };
};

const run = (file: string, command: string) =>
  execa(file, [], { input: config, env: { CNI_COMMAND: command, CNI_ARGS: pod, CNI_CONTAINERID: `container-${command}` }, reject: false });

describe('the network plugin', () => {
  test('waits until the pod is admitted, and hands on what the plugins before it said', async () => {
    const arrivals: Arrival[] = [];
    const { questions, ask } = await prepare(async (arrival) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      arrivals.push(arrival);
    });
    const { exitCode, stdout } = await ask('ADD');
    expect(arrivals).toEqual([{ namespace: 'jobs', name: 'one', uid: '1-2-3', address: '10.0.0.7' }]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual(prevResult);
    expect(await readdir(questions)).toEqual([]);
  });

  test('fails if the pod is refused, with the reason', async () => {
    const { ask } = await prepare(() => Promise.reject(new Error('its labels are not known')));
    const { exitCode, stdout } = await ask('ADD');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ msg: 'its labels are not known' });
  });

  test('fails if nobody answers', async () => {
    const { ask } = await prepare(() => new Promise(() => undefined));
    const { exitCode, stdout } = await ask('ADD');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ msg: expect.stringContaining('not enforced') });
  });

  test.each(['DEL', 'CHECK', 'VERSION'])('%s asks nobody', async (command) => {
    const { ask } = await prepare(() => Promise.reject(new Error('asked')));
    expect(await ask(command)).toMatchObject({ exitCode: 0 });
  });
});
