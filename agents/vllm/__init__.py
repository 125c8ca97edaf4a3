"""vLLM as a `Policy`: an engine in this process (`engine`) or any number of servers (`server`).

    policy = open_vllm("Qwen/Qwen2.5-VL-7B-Instruct")          # in the environment that has vLLM (`opening`)
    policy = open_vllm("Qwen/Qwen2.5-VL-7B-Instruct", urls)    # anywhere; needs httpx

Both take token ids and images and give back token ids and log-probabilities, exactly (`requests`).
"""
