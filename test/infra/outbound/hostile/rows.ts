/** Hostile addresses of data sources, as data: what is asked for, and where it would end if nobody forbade it. */

/** A public address; names that resolve to it may be asked. */
export const publicAddress = '93.184.216.34';
export const publicHost = 'data.test';
export const redirectPath = '/redirect';

/** Ports of services that attacks are after. */
export const witnessPorts = [22, 80, 443, 2375, 5432, 6443, 8080, 10250] as const;

/** One attack. */
export interface HostileRow {
  readonly what: string;
  readonly url: string;
  /** what is reached when everything is allowed, public hosts left out; empty: it is refused for what it says */
  readonly at: readonly string[];
  /** answers of the resolver by name, one after the other; the last one stays */
  readonly names?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** nothing is refused, because nothing hostile is ever asked for */
  readonly isHarmless?: true;
}

const spelled = (at: string, what: string, ...urls: readonly string[]): readonly HostileRow[] =>
  urls.map((url) => ({ what, url, at: [at] }));

const addressRows: readonly HostileRow[] = [
  ...spelled('127.0.0.1', 'loopback', 'http://127.0.0.1/', 'https://127.0.0.1/', 'http://127.0.0.1:22/', 'http://127.0.0.1:2375/info'),
  ...spelled('127.0.0.2', 'loopback', 'http://127.0.0.2/', 'http://127.0.0.2:5432/'),
  ...spelled('127.255.255.254', 'loopback', 'http://127.255.255.254/'),
  ...spelled('127.0.0.1', 'short IPv4', 'http://127.1/', 'http://127.0.1/', 'http://0x7f.1/', 'http://0177.1/'),
  ...spelled('127.0.0.1', 'decimal IPv4', 'http://2130706433/', 'http://2130706433:8080/'),
  ...spelled('127.0.0.1', 'hexadecimal IPv4', 'http://0x7f000001/', 'http://0x7F.0x0.0x0.0x1/', 'http://0X7f000001/'),
  ...spelled('127.0.0.1', 'octal IPv4', 'http://0177.0.0.1/', 'http://017700000001/', 'http://0177.0000.0.01/'),
  ...spelled('127.0.0.1', 'mixed bases', 'http://0177.0x0.0.1/', 'http://127.0x000001/', 'http://0x7f.0.1/'),
  ...spelled('127.0.0.1', 'final dot', 'http://127.0.0.1./', 'http://2130706433./'),
  ...spelled('127.0.0.1', 'percent-encoded', 'http://%31%32%37.0.0.1/', 'http://127%2e0%2E0%2e1/', 'http://%30x7f.1/'),
  ...spelled('127.0.0.1', 'digits of other scripts', 'http://①②⑦.⓪.⓪.①/', 'http://１２７.0.0.1/', 'http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/', 'http://₁₂₇.₀.₀.₁/'),
  ...spelled('127.0.0.1', 'dots of other scripts', 'http://127。0。0。1/', 'http://127．0．0．1/', 'http://127｡0｡0｡1/'),
  ...spelled('127.0.0.1', 'characters that vanish', 'http://127.0.0.1\t/', 'http://127.0\n.0.1/', 'http://127.0.0\u00ad.1/', ' http://127.0.0.1/ '),
  ...spelled('127.0.0.1', 'slashes', 'http:/127.0.0.1/', 'http:127.0.0.1/', 'http:\\\\127.0.0.1\\', 'http:////127.0.0.1/', 'HTTP://127.0.0.1/'),
  ...spelled('127.0.0.1', 'port', 'http://127.0.0.1:0000080/', 'http://127.0.0.1:/', 'https://127.0.0.1:443/', 'http://127.0.0.1:6443/api'),
  ...spelled('127.0.0.1', 'user name', 'http://data.test@127.0.0.1/', 'http://data.test:80@127.0.0.1/', 'http://data.test%2f@127.0.0.1/'),
  ...spelled('127.0.0.1', 'user name', 'http://data.test:x@y:z@127.0.0.1/', 'http://127.0.0.1\\@data.test/', 'http://127.0.0.1#@data.test/'),
  ...spelled('127.0.0.1', 'user name', 'http://127.0.0.1?@data.test/', 'http://data.test%23@127.0.0.1/', 'http://:@127.0.0.1/'),
  ...spelled('127.0.0.1', 'unspecified', 'http://0.0.0.0/', 'http://0/', 'http://0x0:8080/', 'http://00000000000/'),
  ...spelled('0.1.2.3', 'this network', 'http://0.1.2.3/'),
  ...spelled('10.0.0.1', 'private', 'http://10.0.0.1/', 'http://10.1/', 'http://167772161/', 'http://0xa000001:10250/pods'),
  ...spelled('172.16.0.1', 'private', 'http://172.16.0.1/', 'http://172.16.1/', 'http://0xac.020.1/'),
  ...spelled('172.31.255.255', 'private', 'http://172.31.255.255/'),
  ...spelled('192.168.1.1', 'private', 'http://192.168.1.1/', 'http://192.168.257/', 'http://3232235777/'),
  ...spelled('100.64.0.1', 'shared by a carrier', 'http://100.64.0.1/', 'http://1681915905/'),
  ...spelled('100.127.255.254', 'shared by a carrier', 'http://100.127.255.254/'),
  ...spelled('169.254.1.1', 'link-local', 'http://169.254.1.1/', 'http://169.254.257/'),
  ...spelled('169.254.169.254', 'metadata', 'http://169.254.169.254/latest/meta-data/', 'http://2852039166/', 'http://0xa9fea9fe/'),
  ...spelled('169.254.169.254', 'metadata', 'http://169.254.43518/', 'http://0251.0376.0251.0376/', 'http://①⑥⑨.254.169.254/'),
  ...spelled('169.254.170.2', 'metadata', 'http://169.254.170.2/v2/credentials'),
  ...spelled('100.100.100.200', 'metadata', 'http://100.100.100.200/latest/'),
  ...spelled('168.63.129.16', 'metadata', 'http://168.63.129.16/machine'),
  ...spelled('192.0.0.192', 'metadata', 'http://192.0.0.192/opc/v2/'),
  ...spelled('192.88.99.1', 'relay', 'http://192.88.99.1/'),
  ...spelled('192.0.2.1', 'documentation', 'http://192.0.2.1/'),
  ...spelled('198.18.0.1', 'benchmarks', 'http://198.18.0.1/'),
  ...spelled('198.51.100.1', 'documentation', 'http://198.51.100.1/'),
  ...spelled('203.0.113.7', 'documentation', 'http://203.0.113.7/'),
  ...spelled('240.0.0.1', 'reserved', 'http://240.0.0.1/'),
  ...spelled('::1', 'IPv6 loopback', 'http://[::1]/', 'http://[0:0:0:0:0:0:0:1]:22/', 'http://[0000::0001]:8080/', 'http://x@[::1]/'),
  ...spelled('::1', 'IPv6 unspecified', 'http://[::]/', 'http://[0::0]:5432/'),
  ...spelled('127.0.0.1', 'IPv4-mapped', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://[0:0:0:0:0:ffff:7f00:0001]:22/'),
  ...spelled('10.0.0.1', 'IPv4-mapped', 'http://[::ffff:10.0.0.1]/'),
  ...spelled('169.254.169.254', 'IPv4-mapped', 'http://[::ffff:a9fe:a9fe]/', 'http://[::FFFF:169.254.169.254]/'),
  ...spelled('::7f00:1', 'IPv4-compatible', 'http://[::127.0.0.1]/'),
  ...spelled('::a9fe:a9fe', 'IPv4-compatible', 'http://[::169.254.169.254]/'),
  ...spelled('::ffff:0:7f00:1', 'IPv4-translated', 'http://[::ffff:0:127.0.0.1]/'),
  ...spelled('64:ff9b::7f00:1', 'NAT64', 'http://[64:ff9b::127.0.0.1]/', 'http://[64:ff9b::7f00:1]:6443/'),
  ...spelled('64:ff9b::a9fe:a9fe', 'NAT64', 'http://[64:ff9b::169.254.169.254]/'),
  ...spelled('64:ff9b:1::a00:1', 'local NAT64', 'http://[64:ff9b:1::10.0.0.1]/'),
  ...spelled('2002:7f00:1::', '6to4', 'http://[2002:7f00:1::]/'),
  ...spelled('2002:a9fe:a9fe::1', '6to4', 'http://[2002:a9fe:a9fe::1]/'),
  ...spelled('2001:0:7f00:1::1', 'Teredo', 'http://[2001:0:7f00:1::1]/'),
  ...spelled('fc00::1', 'unique local', 'http://[fc00::1]/'),
  ...spelled('fd12:3456:789a::1', 'unique local', 'http://[fd12:3456:789a::1]:10250/'),
  ...spelled('fd00:ec2::254', 'metadata', 'http://[fd00:ec2::254]/latest/'),
  ...spelled('fd20:ce::254', 'metadata', 'http://[fd20:ce::254]/'),
  ...spelled('fec0::1', 'site-local', 'http://[fec0::1]/'),
  ...spelled('2001:db8::1', 'documentation', 'http://[2001:db8::1]/'),
  ...spelled('100::1', 'discarded', 'http://[100::1]/'),
  ...spelled('5f00::1', 'segment routing', 'http://[5f00::1]/'),
  ...spelled('4000::1', 'given to nobody', 'http://[4000::1]/'),
]; // prettier-ignore

const refusedAsWritten = (what: string, ...urls: readonly string[]): readonly HostileRow[] => urls.map((url) => ({ what, url, at: [] }));

const writtenRows: readonly HostileRow[] = [
  ...refusedAsWritten('multicast', 'http://224.0.0.1/', 'http://239.255.255.250/', 'http://[ff02::1]/', 'http://255.255.255.255/'),
  ...refusedAsWritten('link-local of an unknown link', 'http://[fe80::1]/', 'http://[fe80::a9fe:a9fe]/'),
  ...refusedAsWritten('scheme', 'file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1:80/_GET', 'data:text/plain,x', 'dict://127.0.0.1:22/'),
  ...refusedAsWritten('scheme', 'ws://127.0.0.1/', 'javascript:fetch("http://127.0.0.1")', 'blob:http://127.0.0.1/1', 'unix:///var/run/docker.sock'),
  ...refusedAsWritten('scheme', 'http+unix://%2fvar%2frun%2fdocker.sock/', 'jar:http://127.0.0.1!/', 'view-source:http://127.0.0.1/', '//127.0.0.1/'),
  ...refusedAsWritten('no address', 'http://', 'http://[::1', 'http://127.0.0.1:99999/', 'http://[fe80::1%25lo]/', 'http://127.0.0.1:80:80/', 'http://%00127.0.0.1/'),
  ...refusedAsWritten('no address', 'http://256.256.256.256/', 'http://127.0.0.1.1.1/', 'http://0x100000000/', 'http://[::ffff:999.0.0.1]/', 'http://127.0.0.1%20.test@/'),
]; // prettier-ignore

const named = (what: string, url: string, at: readonly string[], ...answers: readonly (readonly string[])[]): HostileRow => ({
  ...{ what, url, at },
  names: { 'evil.test': answers, localhost: [['127.0.0.1']], [publicHost]: [[publicAddress]] },
});

const nameRows: readonly HostileRow[] = [
  named('a name of the machine', 'http://localhost/', ['127.0.0.1']),
  named('a name of the machine', 'http://LOCALHOST:8080/', ['127.0.0.1']),
  named('a name of the machine', 'http://ｌｏｃａｌｈｏｓｔ/', ['127.0.0.1']),
  named('a name of the machine', 'http://loc%61lhost/', ['127.0.0.1']),
  named('a name of the machine', 'http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/', ['127.0.0.1']),
  named('a private answer', 'http://evil.test/', ['10.0.0.1'], ['10.0.0.1']),
  named('a private answer', 'https://evil.test/', ['10.0.0.1'], ['10.0.0.1']),
  named('a metadata answer', 'http://evil.test/latest/', ['169.254.169.254'], ['169.254.169.254']),
  named('an IPv6 answer', 'http://evil.test/', ['::1'], ['::1']),
  named('a mapped answer', 'http://evil.test/', ['127.0.0.1'], ['::ffff:127.0.0.1']),
  named('a NAT64 answer', 'http://evil.test/', ['64:ff9b::a00:1'], ['64:ff9b::a00:1']),
  named('a private answer before a public one', 'http://evil.test/', ['127.0.0.1'], ['127.0.0.1', publicAddress]),
  named('a private answer behind a public one', 'http://evil.test:22/', [], [publicAddress, '127.0.0.1']),
  named('a private answer behind many public ones', 'http://evil.test/', ['1.1.1.1'], ['1.1.1.1', '8.8.8.8', '9.9.9.9', publicAddress, '10.0.0.1']),
  named('a private IPv6 answer behind a public IPv4 one', 'http://evil.test/', [], [publicAddress, 'fd00::1']),
  { ...named('a second look that would be private', 'http://evil.test/', [], [publicAddress], ['127.0.0.1']), isHarmless: true },
  named('a look between each two', `http://evil.test${redirectPath}?status=302&location=/`, ['127.0.0.1'], [publicAddress], ['127.0.0.1']),
  named('a look between each two', `http://evil.test${redirectPath}?status=307&location=http://evil.test:8080/`, ['10.0.0.1'], [publicAddress], ['10.0.0.1']),
  named('a look between each two', `http://evil.test${redirectPath}?status=308&location=//evil.test/`, ['::1'], [publicAddress], ['::1']),
  named('an answer that turns to metadata', `http://evil.test${redirectPath}?status=301&location=/latest/`, ['169.254.169.254'], [publicAddress], ['169.254.169.254']),
  named('no answer', 'http://evil.test/', [], []),
  named('an answer that is no address', 'http://evil.test/', [], ['localhost']),
  named('an answer that is a short address', 'http://evil.test/', [], ['127.1']),
]; // prettier-ignore

/** An address of the public host that redirects. */
export const redirectTo = (status: number, location: string): string =>
  `http://${publicHost}${redirectPath}?${new URLSearchParams({ status: String(status), location }).toString()}`;

const redirected = (what: string, url: string, ...at: readonly string[]): HostileRow => ({
  ...{ what: `redirect: ${what}`, url, at },
  names: { [publicHost]: [[publicAddress]], 'other.test': [[publicAddress]], 'evil.test': [['10.0.0.1']] },
});

/** Statuses that are followed, to each kind of place. */
const redirectTable: readonly HostileRow[] = [301, 302, 303, 307, 308].flatMap((status) =>
  [
    ['http://127.0.0.1/', '127.0.0.1'],
    ['http://10.0.0.1:8080/', '10.0.0.1'],
    ['http://169.254.169.254/latest/', '169.254.169.254'],
    ['http://100.64.0.1/', '100.64.0.1'],
    ['http://[::1]/', '::1'],
    ['http://[::ffff:10.0.0.1]/', '10.0.0.1'],
  ].map(([location = '', at = '']) => redirected(`${status}`, redirectTo(status, location), at)),
);

const chain = (...locations: readonly string[]): string =>
  locations.reduceRight(
    (location, _hop, index) => (index === locations.length - 1 ? location : redirectTo(302, location)),
    locations.at(-1)!,
  );

const hops = (count: number, last: string): string => chain(...Array.from({ length: count }, () => publicHost), last);

const redirectRows: readonly HostileRow[] = [
  ...redirectTable,
  ...['//127.0.0.1/', '\\\\127.0.0.1\\', '/\\127.0.0.1/', 'http:\\\\127.0.0.1/', ' http://127.0.0.1/', 'HTTP://127.0.0.1'].map((location) =>
    redirected('another spelling', redirectTo(302, location), '127.0.0.1'),
  ),
  redirected('to https', redirectTo(302, 'https://127.0.0.1/'), '127.0.0.1'),
  redirected('to https', redirectTo(302, 'https:127.0.0.1'), '127.0.0.1'),
  redirected('with credentials', redirectTo(302, 'http://root:secret@127.0.0.1/'), '127.0.0.1'),
  redirected('with credentials', redirectTo(307, `http://${publicHost}@10.0.0.1/`), '10.0.0.1'),
  redirected('to a name', redirectTo(302, 'http://evil.test/'), '10.0.0.1'),
  redirected('to a decimal address', redirectTo(302, 'http://2130706433/'), '127.0.0.1'),
  redirected('over two hosts', redirectTo(302, `http://other.test${redirectPath}?status=301&location=http://127.0.0.1/`), '127.0.0.1'),
  redirected('the second of two', hops(2, 'http://127.0.0.1/'), '127.0.0.1'),
  redirected('the fifth of five', hops(5, 'http://169.254.169.254/'), '169.254.169.254'),
  redirected('the sixth', hops(6, 'http://127.0.0.1/')),
  redirected('the tenth', hops(10, 'http://10.0.0.1/')),
  redirected('a loop', `http://${publicHost}${redirectPath}?status=302&location=`),
  ...['file:///etc/passwd', 'ftp://127.0.0.1/', 'gopher://127.0.0.1:80/_', 'data:text/plain,x', 'javascript:1'].map((location) =>
    redirected('to another scheme', redirectTo(302, location)),
  ),
  ...['http://', 'http://[::1', 'http://127.0.0.1:99999/'].map((location) => redirected('to no address', redirectTo(301, location))),
  ...[300, 304, 305, 306].map((status): HostileRow => ({
    ...redirected(`${status} is followed by nobody`, redirectTo(status, 'http://127.0.0.1/')),
    isHarmless: true,
  })),
  ...['refresh=0;url=http://127.0.0.1/', 'link=<http://127.0.0.1/>;rel=preload', 'alt-svc=h2="127.0.0.1:443"', 'content-location=http://127.0.0.1/'].map(
    (header): HostileRow => ({
      ...redirected('a header that browsers follow', `http://${publicHost}${redirectPath}?status=200&${header}`),
      isHarmless: true,
    }),
  ),
]; // prettier-ignore

/** Identifiers that would leave the gateway if they were pasted into its address. */
export const gatewayHashes = [
  '@127.0.0.1/', '//127.0.0.1/', '\\\\127.0.0.1\\', ':80@127.0.0.1/', '.127.0.0.1/', '?@127.0.0.1/', '#@127.0.0.1/', 'http://127.0.0.1/',
  '../../@127.0.0.1/', '..%2f..%2f', '%2f%2f127.0.0.1', '\r\nHost: 127.0.0.1', 'redirect?status=302&location=http://127.0.0.1/',
] as const; // prettier-ignore

/** All of them. */
export const hostileRows: readonly HostileRow[] = [...addressRows, ...writtenRows, ...nameRows, ...redirectRows];
