// A provider for the tests: the certified `oidc-provider` with one client, people who sign in by their name alone, and a few addresses
// below /test by which a test says who they are and what has happened. Prints its issuer once it listens.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const people = new Map();
const html = (body) => `<!doctype html><meta charset="utf-8"><title>Provider</title>${body}`;
const read = async (request) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
};

const server = createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'gate',
    client_secret: 'a secret of the gate',
    redirect_uris: ['http://127.0.0.1/callback'],
    post_logout_redirect_uris: ['http://127.0.0.1/logout'],
    grant_types: ['authorization_code', 'refresh_token'],
  }],
  cookies: { keys: ['only for tests'] },
  scopes: ['openid', 'profile', 'email'],
  claims: { openid: ['sub', 'groups'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
  acrValues: ['urn:mfa'],
  features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true }, claimsParameter: { enabled: true } },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 3600, RefreshToken: 86400, Session: 86400 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  findAccount: async (_, sub) => (people.get(sub)?.gone ? undefined : { accountId: sub, claims: async () => ({ sub, ...people.get(sub) }) }),
  // The gateway under test is on this machine, which the provider would not ask by default.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  // Everything is granted: the tests are not about consent.
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope('openid profile email');
    grant.addOIDCClaims(['auth_time', 'acr', 'acrs', 'amr', 'groups']);
    await grant.save();
    return grant;
  },
});
provider.Client.prototype.redirectUriAllowed = (uri) => new URL(uri).hostname === '127.0.0.1' || new URL(uri).hostname === 'localhost';
provider.Client.prototype.postLogoutRedirectUriAllowed = provider.Client.prototype.redirectUriAllowed;
const client = await provider.Client.find('gate');
const answer = provider.callback();

// The sign-in page: a name, and whether a second factor was shown.
async function interact(request, response) {
  const { uid, prompt } = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(html(`<h1>${prompt.name}</h1><form method="post" action="/interaction/${uid}">
      <input name="name" autofocus><label><input type="checkbox" name="mfa" value="1">second factor</label>
      <button id="go">Sign in</button><button id="no" name="refuse" value="1">No</button></form>`));
    return;
  }
  const form = new URLSearchParams(await read(request));
  if (form.get('refuse')) {
    return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'the person said no' });
  }
  const mfa = form.get('mfa') === '1';
  const login = { accountId: form.get('name'), amr: mfa ? ['pwd', 'mfa'] : ['pwd'], acr: mfa ? 'urn:mfa' : undefined };
  return provider.interactionFinished(request, response, { login });
}

async function control(request, response, path) {
  const said = JSON.parse((await read(request)) || '{}');
  if (path === '/test/people') people.set(said.sub, said.claims);
  if (path === '/test/backchannel') client.backchannelLogoutUri = said.uri;
  if (path === '/test/logout') await client.backchannelLogout(said.sub, said.sid);
  response.end('done');
}

server.on('request', (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const failed = (error) => { response.statusCode = 500; response.end(String(error?.stack ?? error)); };
  if (pathname.startsWith('/interaction/')) interact(request, response).catch(failed);
  else if (pathname.startsWith('/test/')) control(request, response, pathname).catch(failed);
  else answer(request, response);
});
console.log(issuer);
process.stdin.resume().on('end', () => process.exit(0));
