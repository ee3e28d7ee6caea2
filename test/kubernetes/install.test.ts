import { readFileSync } from 'node:fs';
import { clusterOfThisRun } from '../support/testCluster.ts';
import { surround, type Surroundings } from './installation.ts';

const document = readFileSync(new URL('../../docs/install.md', import.meta.url), 'utf8');
const namespace = `install-${process.pid}`;
const buildPatienceMs = 900_000;

/** The document's sections that have commands, in order. */
const sections = document
  .split(/^(?=#{2,3} )/m)
  .map((text) => ({ title: /^#+ (.+)$/m.exec(text)?.[1] ?? '', text }))
  .map((section) => ({ ...section, commands: [...section.text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block) }))
  .filter(({ commands }) => commands.length > 0);

/** Rows of the table of rights, for one account. */
const documentedRights = (account: string): readonly (readonly [resource: string, verbs: string])[] => {
  const rows = document.matchAll(
    /^\| (?:`([^`]+)`|every account) +\| (?:`\$NAMESPACE-jobs`|everywhere) +\| `([^`]+)` +\| `([^`]+)` +\|$/gm,
  );
  return [...rows].flatMap(([, owner, resource = '', verbs = '']) =>
    owner === undefined || owner === `$NAMESPACE-${account}` ? [[resource, verbs] as const] : [],
  );
};

/** What `kubectl auth can-i --list` says: resources with their verbs, and addresses apart. */
const readRights = (listing: string) => {
  const [header = '', ...lines] = listing.trimEnd().split('\n');
  const starts = ['Resources', 'Non-Resource URLs', 'Resource Names', 'Verbs'].map((title) => header.indexOf(title));
  const cells = lines.map((line) => starts.map((start, index) => line.slice(start, starts[index + 1]).trim()));
  const sorted = (verbs = ''): string =>
    verbs
      .replace(/^\[|\]$/g, '')
      .split(' ')
      .toSorted()
      .join(' ');
  return {
    resources: cells.flatMap(([resource = '', , names, verbs]) => (resource === '' ? [] : [[resource, sorted(verbs), names]])),
    addresses: cells.flatMap(([resource, address = '', , verbs]) => (resource === '' ? [[address, sorted(verbs)]] : [])),
  };
};

let surroundings: Surroundings | undefined;
const shell = (commands: string): Promise<string> => surroundings!.shell(commands);

/** Adds what the cluster says to a failure. */
const explain = async (err: unknown): Promise<never> => {
  const looks = [
    `kubectl --namespace ${namespace} get pods --output wide`,
    `kubectl --namespace ${namespace} get events --sort-by .lastTimestamp | tail -30`,
    ...['api', 'orchestrator', 'gateway'].map(
      (process) => `kubectl --namespace ${namespace} logs --selector app.kubernetes.io/component=${process} --tail 15`,
    ),
  ];
  const seen: string[] = [];
  for (const look of looks) seen.push(await shell(look).catch((failure: unknown) => String(failure)));
  throw new Error([err instanceof Error ? err.message : String(err), ...seen].join('\n'), { cause: err });
};

/** What must be true once a section's commands have run. */
const expectations: Readonly<Record<string, () => Promise<void>>> = {
  Install: async () => {
    const pods = await shell(`kubectl --namespace ${namespace} get pods --output jsonpath='{range .items[*]}{.status.phase} {end}'`);
    expect(pods.trim()).toBe('Running Running Running Running Running Running');
  },
  'The first job': async () => {
    expect(await shell(`kubectl --namespace ${namespace} logs ${namespace}-test`)).toContain(
      'offered, each after a job that proved its seal: small',
    );
  },
  Rights: async () => {
    for (const account of ['orchestrator', 'api', 'gateway']) {
      const as = `system:serviceaccount:${namespace}:${namespace}-${account}`;
      const { resources, addresses } = readRights(await shell(`kubectl auth can-i --list --namespace ${namespace}-jobs --as ${as}`));
      const documented = documentedRights(account).map(([resource, verbs]) => [resource, verbs, '[]']);
      expect({ account, rights: resources.toSorted() }).toEqual({ account, rights: documented.toSorted() });
      expect(addresses.filter(([, verbs]) => verbs !== 'get')).toEqual([]);
      const elsewhere = readRights(await shell(`kubectl auth can-i --list --namespace ${namespace} --as ${as}`)).resources;
      expect(elsewhere.map(([resource]) => resource).filter((resource) => !/^selfsubject/.test(resource!))).toEqual([]);
    }
  },
  Uninstall: async () => {
    const left = await shell(
      `kubectl get namespaces,clusterroles,clusterrolebindings,runtimeclasses --output name | grep ${namespace} || true`,
    );
    expect(left).toBe('');
  },
};

describe('docs/install.md', () => {
  beforeAll(async () => {
    surroundings = await surround(await clusterOfThisRun(), namespace);
  }, 120_000);

  afterAll(async () => {
    // whatever is left after a failure; nothing after a success
    await surroundings
      ?.shell(
        `kubectl --namespace ${namespace} delete deployments --all
         kubectl --namespace ${namespace}-jobs delete pods --all --grace-period 1 --timeout 1m
         helm uninstall ${namespace} --namespace ${namespace} --ignore-not-found
         kubectl delete namespace ${namespace} ${namespace}-jobs --ignore-not-found --timeout 2m`,
      )
      .finally(() => surroundings?.close());
  }, 300_000);

  let isBroken = false;
  test.each(sections)(
    'the commands of "$title" do what they say',
    async ({ title, commands }) => {
      if (isBroken) throw new Error('an earlier section failed');
      isBroken = true;
      for (const block of commands) await shell(block).catch(explain);
      await expectations[title]?.();
      isBroken = false;
    },
    buildPatienceMs,
  );

  test('has a section for each expectation', () => {
    expect(sections.map(({ title }) => title)).toEqual(expect.arrayContaining(Object.keys(expectations)));
  });
});
