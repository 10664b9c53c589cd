-- Asks vestibule whether a request may go on. Load it with `lua-load`, and call it as
--   http-request lua.vestibule http://{{ gateway }}{{ prefix }}/auth/forward
-- Whatever goes wrong ends in 403. HAProxy 2.6 or later.

local identity = { {% for header in identity %}"{{ header.lower }}"{% if not loop.last %}, {% endif %}{% endfor %} }

-- What belongs to the connection, to the body, or to the question itself.
local left_out = {
    ["connection"] = true, ["keep-alive"] = true, ["te"] = true, ["trailer"] = true, ["upgrade"] = true, ["proxy-connection"] = true,
    ["transfer-encoding"] = true, ["content-length"] = true, ["expect"] = true, ["host"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-proto"] = true, ["x-forwarded-host"] = true, ["x-forwarded-uri"] = true,
    ["x-forwarded-for"] = true,
}

local function all(lines)
    local list = {}
    for _, value in pairs(lines) do
        list[#list + 1] = value
    end
    return list
end

local function question(txn)
    local headers = {}
    for name, lines in pairs(txn.http:req_get_headers()) do
        if not left_out[name] then
            headers[name] = all(lines)
        end
    end
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
    headers["x-forwarded-host"] = { txn.f:req_hdr("host") }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    headers["x-forwarded-for"] = { txn.f:src() }
    return headers
end

local function answer(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, lines in pairs(headers or {}) do
        if name ~= "content-length" and name ~= "connection" and name ~= "transfer-encoding" and name ~= "keep-alive" then
            for _, value in pairs(lines) do
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(body or "")
    txn:done(reply)
end

-- vestibule's cookies are no business of the application's.
local function clean_cookies(txn)
    local lines = txn.http:req_get_headers()["cookie"]
    if not lines then
        return
    end
    txn.http:req_del_header("cookie")
    for _, line in pairs(lines) do
        local kept = {}
        for cookie in line:gmatch("[^;]+") do
            local name = cookie:match("^%s*([^=]*)") or ""
            if not name:gsub("^__Host%-", ""):gsub("^__Secure%-", ""):find("^{{ cookie_lua }}") then
                kept[#kept + 1] = cookie:match("^%s*(.-)%s*$")
            end
        end
        if #kept > 0 then
            txn.http:req_add_header("cookie", table.concat(kept, "; "))
        end
    end
end

core.register_action("vestibule", { "http-req" }, function(txn, url)
    local client = core.httpclient()
    local response = client:get({ url = url, headers = question(txn) })
    if not response or not response.status or response.status < 200 or response.status >= 500 then
        return answer(txn, 403)
    end
    if response.status ~= 200 then
        return answer(txn, response.status, response.headers, response.body)
    end
    for _, name in ipairs(identity) do
        local lines = response.headers[name]
        txn.http:req_del_header(name)
        for _, value in pairs(lines or {}) do
            if value ~= "" then
                txn.http:req_add_header(name, value)
            end
        end
    end
    clean_cookies(txn)
end, 1)
