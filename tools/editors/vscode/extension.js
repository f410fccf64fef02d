// Starts `couplet lsp` for files of Couplet. Without the program, colours remain.
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("couplet").get("path");
  client = new LanguageClient(
    "couplet", "Couplet", { command, args: ["lsp"] },
    { documentSelector: [{ language: "couplet" }] });
  return client.start();
};

exports.deactivate = () => client && client.stop();
