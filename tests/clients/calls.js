// Run calls with @vistadataproject/vista-client, as it comes, and print what it makes of the answers as JSON.
// Usage: node calls.js HOST PORT < CALLS, where CALLS is a JSON list of [name, arguments, options].
'use strict';

const fs = require('fs');
const VISTAClient = require('@vistadataproject/vista-client');

const [host, port] = process.argv.slice(2);
const client = new VISTAClient({ host, port: Number(port), context: { MESSAGE: 'from a template' } });
for (const [name, args, options] of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    client.add(name, args, options);
}

client.run().then(() => {
    const results = client.getResults().map(({ name, response }) => [name, response.value, response.raw]);
    process.stdout.write(JSON.stringify({ results, context: client.context }));
}).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
});
