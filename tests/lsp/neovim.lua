-- What an editor does with `couplet lsp`: run by neovim.py as `nvim --headless`, with the program,
-- the folder of the grammar and the file for the results in the environment.
local results = {}

local function finish()
  local file = io.open(os.getenv("RESULTS"), "w")
  file:write(vim.json.encode(results))
  file:close()
  vim.cmd("qall!")
end

local function diagnostics()
  local found = {}
  for _, d in ipairs(vim.diagnostic.get(0)) do
    table.insert(found, { d.lnum, d.col, d.end_col, d.code, d.message })
  end
  return found
end

local function request(method, more)
  local params = vim.tbl_extend("force", vim.lsp.util.make_position_params(), more or {})
  local answers, problem = vim.lsp.buf_request_sync(0, "textDocument/" .. method, params, 300000)
  for _, answer in pairs(answers or {}) do
    return answer.result or answer.err
  end
  return problem
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n") .. "\n"
end

local function drive()
  vim.opt.runtimepath:append(os.getenv("GRAMMAR"))
  vim.cmd("filetype plugin on")
  vim.cmd("syntax on")
  vim.cmd("edit m.cpl")
  results.filetype = vim.bo.filetype
  results.comments = vim.bo.commentstring
  results.colour = vim.fn.synIDattr(vim.fn.synID(2, 1, 0), "name")
  local command = { os.getenv("COUPLET"), "lsp" }
  local id = vim.lsp.start_client({ name = "couplet", cmd = command, root_dir = vim.fn.getcwd() })
  vim.lsp.buf_attach_client(0, id)
  vim.wait(300000, function() return #vim.diagnostic.get(0) > 0 end, 20)
  results.broken = diagnostics()

  -- The quick fix of the mistake, as the editor applies it.
  vim.api.nvim_win_set_cursor(0, { 2, 18 })
  local params = vim.lsp.util.make_range_params()
  params.context = { diagnostics = {} }
  local answers = vim.lsp.buf_request_sync(0, "textDocument/codeAction", params, 300000)
  for _, answer in pairs(answers or {}) do
    vim.lsp.util.apply_workspace_edit(answer.result[1].edit, "utf-16")
  end
  vim.wait(300000, function() return #vim.diagnostic.get(0) == 0 end, 20)
  results.fixed = text()
  results.left = diagnostics()

  vim.api.nvim_win_set_cursor(0, { 2, 4 })
  results.hover = request("hover").contents.value
  vim.api.nvim_win_set_cursor(0, { 2, 23 })
  results.completion = {}
  for _, item in ipairs(request("completion").items) do
    table.insert(results.completion, item.label)
  end

  -- Renaming among characters of two units of UTF-16, which the editor counts in bytes.
  vim.api.nvim_win_set_cursor(0, { 4, 4 })
  vim.lsp.util.apply_workspace_edit(request("rename", { newName = "width" }), "utf-16")
  results.renamed = text()
  vim.lsp.buf.formatting_sync(nil, 300000)
  results.formatted = text()

  vim.api.nvim_win_set_cursor(0, { 2, 24 })
  vim.lsp.util.jump_to_location(request("definition"), "utf-16")
  results.definition = { vim.api.nvim_buf_get_name(0), vim.api.nvim_get_current_line() }
  vim.lsp.stop_client(id)
  vim.wait(300000, function() return vim.lsp.client_is_stopped(id) end, 20)
  results.stopped = vim.lsp.client_is_stopped(id)
end

local good, problem = pcall(drive)
if not good then
  results.problem = tostring(problem)
end
finish()
